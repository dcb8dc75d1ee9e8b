//! Header fields of a request on its way through.

use std::net::SocketAddr;

use http::{HeaderName, HeaderValue, Uri, Version, header, request::Parts};
use http_common::{
    Problem,
    forwarded::{self, is_authority},
};
use ipnet::IpNet;

use super::forwarded::ForwardedHeaders;
use crate::{fields, problems::malformed};

/// Takes the host that the request is for out of it, from the target if that names one. The target is a path afterwards.
/// `local` is where the client connected to.
pub(super) fn take_host(parts: &mut Parts, local: Option<SocketAddr>) -> Result<HeaderValue, Problem> {
    let host = parts.headers.remove(header::HOST);
    let host = match parts.uri.authority() {
        None => host,
        Some(authority) => {
            match parts.uri.scheme_str() {
                Some("http") => {}
                Some(_) => return Err(malformed("The scheme of the request target is not http.")),
                // RFC 9112 section 3.2.3: the form of CONNECT alone.
                None => return Err(malformed("The request target is not a path.")),
            }
            let host = HeaderValue::from_str(authority.as_str()).ok();
            let target = match parts.uri.path_and_query() {
                Some(target) => Uri::from(target.clone()),
                None => Uri::from_static("/"),
            };
            parts.uri = target;
            host
        }
    };
    // A request of HTTP/1.0 may have no `Host`. The address that the client connected to leads back here.
    let host = host
        .or_else(|| {
            let local = local?;
            let authority = SocketAddr::new(local.ip().to_canonical(), local.port()).to_string();
            HeaderValue::from_str(&authority).ok()
        })
        .unwrap_or(HeaderValue::from_static("localhost"));
    match host.to_str().is_ok_and(is_authority) {
        true => Ok(host),
        false => Err(malformed("The host is not valid.")),
    }
}

const CLIENT: HeaderName = HeaderName::from_static(forwarded::CLIENT);

/// Makes the client's header fields those of the request to the service; only `Host` is left to whoever knows the address.
pub(super) fn prepare(
    parts: &mut Parts,
    host: HeaderValue,
    forwarded: &ForwardedHeaders,
    trusted_proxies: &[IpNet],
) {
    let headers = &mut parts.headers;
    fields::strip(headers, forwarded.is_trusted());
    // hyper has answered it.
    headers.remove(header::EXPECT);
    // Services prove their identity to each other with it. A client is never a service.
    headers.remove(http_common::internal::HEADER);
    headers.remove(CLIENT);
    forwarded.apply(headers, host);
    // Everywhere else the one element of `X-Forwarded-For` says it.
    if forwarded.is_trusted() {
        let client = forwarded.client(headers, trusted_proxies).to_string();
        if let Ok(client) = HeaderValue::try_from(client) {
            headers.insert(CLIENT, client);
        }
    }
    parts.version = Version::HTTP_11;
}

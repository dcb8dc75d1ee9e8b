//! What a link starts with, and how the answer is labelled: both come from the request.

use std::{
    future::{Ready, ready},
    net::SocketAddr,
    sync::Arc,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{HOST, HeaderMap, HeaderName, X_FORWARDED_HOST, X_FORWARDED_PROTO},
};

use crate::{
    negotiation::{MediaType, negotiate},
    problem::Problem,
};

static PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Extractor of every handler that renders a resource. Refuses with 406 what cannot be rendered, before any work is done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Base {
    /// Scheme and authority, without a slash at the end: `http://localhost:8088`.
    origin: String,
    pub media: MediaType,
}

impl Base {
    /// For tests and for what renders without a request.
    #[must_use]
    pub fn new(origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), media: MediaType::Hal }
    }

    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl FromRequest for Base {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(negotiate(request.headers()).map(|media| Self { origin: origin_of(request), media }))
    }
}

/// Where the server listens: what a link says when a request names no host.
#[derive(Clone, Debug)]
pub(crate) struct LocalAuthority(Arc<str>);

impl LocalAuthority {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self(address.to_string().into())
    }
}

/// Where the client thinks that this server is: `X-Forwarded-*` (the gateway overwrites what others claim), else `Host`.
#[must_use]
pub fn origin_of(request: &HttpRequest) -> String {
    let headers = request.headers();
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).filter(|host| is_authority(host));
    let host =
        host.unwrap_or_else(|| request.app_data::<LocalAuthority>().map_or("localhost", |local| &local.0));
    let forwarded = Forwarded {
        proto: first_of(headers, &X_FORWARDED_PROTO),
        host: first_of(headers, &X_FORWARDED_HOST),
        port: first_of(headers, &PORT),
    };
    forwarded.origin(host)
}

/// What a proxy says of the request that it passed on.
struct Forwarded<'h> {
    proto: Option<&'h str>,
    host: Option<&'h str>,
    port: Option<&'h str>,
}

impl Forwarded<'_> {
    /// `local` is where the request arrived, if no proxy says otherwise.
    fn origin(&self, local: &str) -> String {
        let scheme = match self.proto {
            Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
            _ => "http",
        };
        let authority = self.host.filter(|host| is_authority(host)).unwrap_or(local);
        let (name, own_port) = split_port(authority);
        let port = self
            .port
            .filter(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
            .or(own_port)
            .filter(|port| !matches!((scheme, *port), ("http", "80") | ("https", "443")));
        let mut origin = String::with_capacity(scheme.len() + authority.len() + 9);
        origin.push_str(scheme);
        origin.push_str("://");
        origin.push_str(name);
        if let Some(port) = port {
            origin.push(':');
            origin.push_str(port);
        }
        origin
    }
}

/// The first element of a header: the proxy nearest to the client.
fn first_of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let value = headers.get(name)?.to_str().ok()?;
    let first = value.split(',').next().unwrap_or_default().trim();
    (!first.is_empty()).then_some(first)
}

/// Only what a host and port are made of; so it can neither break out of a JSON string nor lead to another path.
fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

/// `[::1]:8080` has colons in the host too.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port))
            if !port.is_empty()
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            (host, Some(port))
        }
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn origin(headers: &[(&'static str, &'static str)]) -> String {
        let mut request = TestRequest::default();
        for header in headers {
            request = request.append_header(*header);
        }
        origin_of(&request.to_http_request())
    }

    #[test]
    fn origin_table() {
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[("host", "localhost:8082")], "http://localhost:8082"),
            (&[("host", "shop")], "http://shop"),
            (&[("host", "shop:80")], "http://shop"),
            (&[("host", "[::1]:8082")], "http://[::1]:8082"),
            (&[], "http://localhost"),
            (&[("host", "payment:8080"), ("x-forwarded-host", "localhost:8088")], "http://localhost:8088"),
            (
                &[
                    ("host", "payment:8080"),
                    ("x-forwarded-host", "shop.example"),
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-port", "443"),
                ],
                "https://shop.example",
            ),
            (
                &[
                    ("x-forwarded-host", "shop.example"),
                    ("x-forwarded-port", "8443"),
                    ("x-forwarded-proto", "https, http"),
                ],
                "https://shop.example:8443",
            ),
            (&[("host", "a"), ("x-forwarded-host", "one, two")], "http://one"),
            (&[("host", "a\"b")], "http://localhost"),
            (&[("host", "a"), ("x-forwarded-host", "x/y")], "http://a"),
            (&[("host", "a"), ("x-forwarded-port", "99999")], "http://a"),
        ];
        for (headers, expected) in table {
            assert_eq!(origin(headers), *expected, "{headers:?}");
        }
    }
}

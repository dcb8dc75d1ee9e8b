//! Header fields of requests and answers on their way through (RFC 9110 section 7.6).

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, header, request::Parts};
use web::{Problem, forwarded::is_authority};

use super::ForwardedHeaders;
use crate::{problems::malformed, routing::Route};

/// Takes the host that the request is for out of it, from the target if that names one. The target is a path afterwards.
/// `local` is where the client connected to.
pub(crate) fn take_host(parts: &mut Parts, local: Option<SocketAddr>) -> Result<HeaderValue, Problem> {
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
    // HTTP/1.0 knows requests without: what was connected to leads back here, port included.
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

/// Makes the client's header fields those of the request to the service; only `Host` is left to whoever knows the address.
pub(crate) fn prepare(parts: &mut Parts, host: HeaderValue, forwarded: &ForwardedHeaders) {
    let headers = &mut parts.headers;
    strip(headers, forwarded.is_trusted());
    // hyper has answered it.
    headers.remove(header::EXPECT);
    // Services prove to each other with it who they are; nobody outside is one of them.
    headers.remove(web::internal::HEADER);
    forwarded.apply(headers, host);
    parts.version = Version::HTTP_11;
}

/// Whether this is the last answer on its connection.
pub(crate) fn closes(headers: &HeaderMap) -> bool {
    let options = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    options.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// Takes out of an answer what was only said to the gateway.
pub(crate) fn strip_answer(headers: &mut HeaderMap) {
    strip(headers, true);
}

/// A service tells all its methods; the route opens some of them.
pub(crate) fn narrow_allow(headers: &mut HeaderMap, route: &Route) {
    let Some(allow) = headers.get(header::ALLOW).and_then(|value| value.to_str().ok()) else { return };
    if let Some(narrowed) = route.narrowed(allow)
        && let Ok(narrowed) = HeaderValue::from_str(&narrowed)
    {
        headers.insert(header::ALLOW, narrowed);
    }
}

/// Removes hop-by-hop fields, those that `Connection` names included, and claims that only a trusted proxy may make.
fn strip(headers: &mut HeaderMap, trusted: bool) {
    let found =
        headers.keys().any(|name| is_hop_by_hop(name.as_str()) || (!trusted && is_claim(name.as_str())));
    if !found {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .filter(|name| !is_end_to_end(name.as_str()))
        .collect();
    let listed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_hop_by_hop(name.as_str()) || (!trusted && is_claim(name.as_str())))
        .cloned()
        .collect();
    for name in named.iter().chain(&listed) {
        headers.remove(name);
    }
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Fields that go all the way, whatever `Connection` says: what frames the message, what says who asked, and under which
/// name the request is found again. Each hop would have to trust the one before to lose them.
fn is_end_to_end(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || matches!(
            name,
            "forwarded"
                | "host"
                | "content-length"
                | "content-type"
                | "cache-control"
                | "traceparent"
                | "tracestate"
                | "x-request-id"
        )
}

/// An answer whose end two readers could find at different places, or whose body is encoded in a way that nobody asked for:
/// what follows it on the connection cannot be trusted either (RFC 9112 section 6.1 and 6.3).
pub(crate) fn is_ambiguous(version: Version, headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) => {
            !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")
                || version != Version::HTTP_11
                || headers.contains_key(header::CONTENT_LENGTH)
        }
        (Some(_), Some(_)) => true,
    }
}

/// Fields that services may believe and that the gateway does not write itself.
fn is_claim(name: &str) -> bool {
    matches!(
        name,
        "x-forwarded-prefix" | "x-forwarded-server" | "x-forwarded-ssl" | "x-forwarded-scheme" | "x-real-ip"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn hop_by_hop_fields_go() {
        let mut headers = map(&[
            ("connection", "keep-alive, X-Mine"),
            ("connection", "x-other"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("x-mine", "1"),
            ("x-other", "2"),
            ("accept", "*/*"),
            ("x-real-ip", "1.2.3.4"),
        ]);
        strip(&mut headers, false);
        assert_eq!(headers, map(&[("accept", "*/*")]));
        let mut headers = map(&[("x-real-ip", "1.2.3.4")]);
        strip(&mut headers, true);
        assert_eq!(headers.len(), 1);
    }
}

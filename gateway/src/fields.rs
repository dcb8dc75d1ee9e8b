//! Header fields that concern one hop alone (RFC 9110 section 7.6).

use http::{HeaderMap, HeaderName, Version, header};

/// Whether this is the last answer on its connection.
pub(crate) fn closes(headers: &HeaderMap) -> bool {
    let options = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    options.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// Takes out of an answer what was only said to the gateway.
pub(crate) fn strip_answer(headers: &mut HeaderMap) {
    strip(headers, true);
}

/// Removes hop-by-hop fields, those that `Connection` names included, and claims that only a trusted proxy may make.
pub(crate) fn strip(headers: &mut HeaderMap, trusted: bool) {
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

    use http::HeaderValue;

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

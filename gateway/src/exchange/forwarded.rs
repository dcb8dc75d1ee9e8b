//! `X-Forwarded-*` and `Forwarded` (RFC 7239): who asked, and under which name.

use std::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_common::forwarded::{ClientOrigin, Forwarded, is_authority, split_port};
use ipnet::IpNet;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const HTTP: HeaderValue = HeaderValue::from_static("http");

/// The fields for one client connection, rendered once for all its requests.
pub(super) struct ForwardedHeaders {
    peer: IpAddr,
    trusted: bool,
    rendered: RefCell<Option<Rendered>>,
}

#[derive(Clone)]
struct Rendered {
    host: HeaderValue,
    port: HeaderValue,
    client: HeaderValue,
    forwarded: HeaderValue,
}

impl ForwardedHeaders {
    pub(super) fn of(peer: SocketAddr, trusted_proxies: &[IpNet]) -> Self {
        // A listener for both families sees IPv4 peers as mapped addresses.
        let peer = peer.ip().to_canonical();
        Self {
            peer,
            trusted: trusted_proxies.iter().any(|network| network.contains(&peer)),
            rendered: RefCell::new(None),
        }
    }

    pub(super) fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Under which origin the client sees the gateway, before [`apply`](Self::apply): `headers` and `host` are as they came.
    pub(super) fn client_origin<'h>(
        &self,
        headers: &'h HeaderMap,
        host: &'h HeaderValue,
    ) -> ClientOrigin<'h> {
        let local = host.to_str().unwrap_or_default();
        match self.trusted {
            true => said_of(headers).origin(local),
            false => Forwarded::default().origin(local),
        }
    }

    /// Who asks: the peer, or the last one in the chain that is no trusted proxy. `headers` are as [`apply`](Self::apply) left
    /// them.
    pub(super) fn client(&self, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
        if !self.trusted {
            return self.peer;
        }
        let own = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let last = |name: &HeaderName, read: fn(&str) -> Option<IpAddr>| {
            let lines = headers.get_all(name).iter().rev().filter_map(|line| line.to_str().ok());
            // Elements before one that is no address are not believed.
            lines.flat_map(|line| line.rsplit(',')).map_while(read).find(|address| !own(address))
        };
        last(&FOR, address).or_else(|| last(&header::FORWARDED, forwarded_for)).unwrap_or(self.peer)
    }

    pub(super) fn apply(&self, headers: &mut HeaderMap, host: HeaderValue) {
        let mut rendered = self.rendered.borrow_mut();
        if rendered.as_ref().is_none_or(|known| known.host != host) {
            *rendered = Some(self.render(host));
        }
        let Some(own) = rendered.as_ref() else {
            return;
        };
        if self.trusted {
            return apply_after(headers, own);
        }
        headers.reserve(8);
        headers.insert(FOR, own.client.clone());
        headers.insert(PROTO, HTTP);
        headers.insert(HOST, own.host.clone());
        headers.insert(PORT, own.port.clone());
        headers.insert(header::FORWARDED, own.forwarded.clone());
    }

    fn render(&self, host: HeaderValue) -> Rendered {
        let text = host.to_str().unwrap_or_default();
        let (_, port) = split_port(text);
        let node = match self.peer {
            IpAddr::V4(peer) => peer.to_string(),
            IpAddr::V6(peer) => format!("\"[{peer}]\""),
        };
        let forwarded = format!("for={node};host=\"{text}\";proto=http");
        // Addresses and a host that was checked are always valid here.
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"));
        Rendered {
            port: HeaderValue::from(port.unwrap_or(80)),
            client: value(&self.peer.to_string()),
            forwarded: value(&forwarded),
            // A copy: the value is a part of hyper's read buffer and would keep all 8 kB of it alive.
            host: value(text),
        }
    }
}

/// The peer is a trusted proxy: its fields are kept, and its own address is added to the chain.
fn apply_after(headers: &mut HeaderMap, own: &Rendered) {
    let said = said_of(headers);
    let value = |text: Option<&str>| text.and_then(|text| HeaderValue::from_str(text).ok());
    let proto = value(said.proto).unwrap_or(HTTP);
    let host = value(said.host.filter(|host| is_authority(host))).unwrap_or_else(|| own.host.clone());
    for (name, value) in [(FOR, &own.client), (header::FORWARDED, &own.forwarded)] {
        let mut chain = Vec::new();
        for earlier in headers.get_all(&name) {
            chain.extend_from_slice(earlier.as_bytes());
            chain.extend_from_slice(b", ");
        }
        // `Forwarded` is continued, not begun: half a chain would contradict the other fields.
        if chain.is_empty() && name == header::FORWARDED && headers.contains_key(HOST) {
            continue;
        }
        chain.extend_from_slice(value.as_bytes());
        if let Ok(chain) = HeaderValue::from_bytes(&chain) {
            headers.insert(name, chain);
        }
    }
    for (name, value) in [(PROTO, &proto), (HOST, &host)] {
        if !headers.contains_key(&name) {
            headers.insert(name, value.clone());
        }
    }
    if !headers.contains_key(PORT) {
        let port = said_of(headers).origin(own.host.to_str().unwrap_or_default()).port();
        headers.insert(PORT, HeaderValue::from(port));
    }
}

/// `https://shop.example`: under which name the client asked, once [`ForwardedHeaders::apply`] has said so.
pub(super) fn origin(headers: &HeaderMap) -> String {
    said_of(headers).origin("localhost").render()
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `"[2001:db8::1]:4711"`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let address = text.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

/// `for=` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| address(value))?
    })
}

fn said_of(headers: &HeaderMap) -> Forwarded<'_> {
    let field = |name: &HeaderName| headers.get(name)?.to_str().ok();
    let said = Forwarded { proto: field(&PROTO), host: field(&HOST), port: field(&PORT) };
    said.or_standard(field(&header::FORWARDED))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn applied(peer: &str, before: &[(&'static str, &'static str)]) -> HeaderMap {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for (name, value) in before {
            headers.append(*name, HeaderValue::from_static(value));
        }
        ForwardedHeaders::of(peer.parse().unwrap(), &trusted)
            .apply(&mut headers, HeaderValue::from_static("shop:8088"));
        headers
    }

    /// What a service behind reads of it leads back to where the client asked.
    #[test]
    fn a_chain_of_proxies_leads_back_to_the_first() {
        for (fields, wanted) in [
            (
                &[("x-forwarded-proto", "https, http"), ("x-forwarded-host", "api.example")][..],
                "https://api.example",
            ),
            (
                &[("x-forwarded-proto", "https,http"), ("x-forwarded-host", "api.example, inner.svc:8080")],
                "https://api.example",
            ),
            (
                &[("x-forwarded-proto", "https"), ("x-forwarded-host", "api.example:8443, inner.svc")],
                "https://api.example:8443",
            ),
            (&[("x-forwarded-proto", "HTTPS"), ("x-forwarded-host", "api.example")], "https://api.example"),
            (
                &[
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "api.example"),
                    ("x-forwarded-port", "443, 8080"),
                ],
                "https://api.example",
            ),
            (&[("x-forwarded-proto", "https")], "https://shop:8088"),
            (&[("forwarded", "for=192.0.2.1;host=api.example;proto=https")], "https://api.example"),
            (
                &[("forwarded", "host=\"api.example:8443\";proto=https, for=10.0.0.9")],
                "https://api.example:8443",
            ),
            (&[], "http://shop:8088"),
        ] {
            let headers = applied("10.1.2.3:1", fields);
            assert_eq!(origin(&headers), wanted, "{fields:?}");
            let before: HeaderMap = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            let of =
                |peer: &str| ForwardedHeaders::of(peer.parse().unwrap(), &["10.0.0.0/8".parse().unwrap()]);
            let host = HeaderValue::from_static("shop:8088");
            assert_eq!(of("10.1.2.3:1").client_origin(&before, &host).render(), wanted, "{fields:?}");
            assert_eq!(of("8.8.8.8:1").client_origin(&before, &host).render(), "http://shop:8088");
        }
    }

    const CLAIMS: &[(&str, &str)] = &[
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-port", "1"),
        ("forwarded", "for=6.6.6.6"),
    ];

    #[test]
    fn the_client_is_the_last_one_that_nobody_trusts() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (peer, field, value, client) in [
            ("192.0.2.9:1", "x-forwarded-for", "203.0.113.1", "192.0.2.9"),
            ("10.0.0.1:1", "x-forwarded-for", "203.0.113.1", "203.0.113.1"),
            ("10.0.0.1:1", "x-forwarded-for", "6.6.6.6, 203.0.113.1, 10.0.0.2", "203.0.113.1"),
            ("10.0.0.1:1", "x-forwarded-for", "203.0.113.1:4711", "203.0.113.1"),
            ("10.0.0.1:1", "x-forwarded-for", "[2001:db8::1]:4711", "2001:db8::1"),
            ("10.0.0.1:1", "x-forwarded-for", "203.0.113.1, unknown", "10.0.0.1"),
            ("10.0.0.1:1", "x-forwarded-for", "10.0.0.2", "10.0.0.1"),
            ("10.0.0.1:1", "forwarded", "proto=https;For=\"[2001:db8::1]\"", "2001:db8::1"),
            ("10.0.0.1:1", "accept", "*/*", "10.0.0.1"),
        ] {
            let headers = applied(peer, &[(field, value)]);
            let found = ForwardedHeaders::of(peer.parse().unwrap(), &trusted).client(&headers, &trusted);
            assert_eq!(found.to_string(), client, "{field}: {value}");
        }
    }

    #[test]
    fn claims_are_replaced() {
        let headers = applied("[2001:db8::1]:1", CLAIMS);
        assert_eq!(headers["x-forwarded-for"], "2001:db8::1");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-host"], "shop:8088");
        assert_eq!(headers["x-forwarded-port"], "8088");
        assert_eq!(headers["forwarded"], "for=\"[2001:db8::1]\";host=\"shop:8088\";proto=http");
        assert_eq!(headers.len(), 5);
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_added() {
        let headers = applied("[::ffff:10.1.2.3]:1", CLAIMS);
        assert_eq!(headers["x-forwarded-for"], "6.6.6.6, 10.1.2.3");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "evil");
        assert_eq!(headers["x-forwarded-port"], "1");
        assert_eq!(headers["forwarded"], "for=6.6.6.6, for=10.1.2.3;host=\"shop:8088\";proto=http");
        let headers =
            applied("10.1.2.3:1", &[("x-forwarded-host", "shop.example"), ("x-forwarded-proto", "https")]);
        assert_eq!(headers["x-forwarded-port"], "443");
        assert!(!headers.contains_key("forwarded"));
        assert_eq!(applied("10.1.2.3:1", &[])["x-forwarded-for"], "10.1.2.3");
    }
}

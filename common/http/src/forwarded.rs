//! Under which name a client asked: scheme, host and port, from `Host` and from what proxies say (`X-Forwarded-*`, or else
//! `Forwarded`).
//!
//! The one place that decides it: links, the gateway's own pages and CORS all go by this, so they cannot disagree.

/// Who asks, as a gateway behind trusted proxies knows it: it alone knows which elements of `X-Forwarded-For` such a proxy has
/// written, and which ones anybody could. The gateway writes this field, or removes it.
pub const CLIENT: &str = "x-client-address";

/// What the fields of a request hold. Each may be a list, one element a proxy; the first one is that of the proxy nearest to
/// the client, and the only one that knows what the client asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forwarded<'h> {
    pub proto: Option<&'h str>,
    pub host: Option<&'h str>,
    pub port: Option<&'h str>,
}

/// The origin that a client sees: `https://shop.example:8443`.
#[derive(Clone, Copy, Debug)]
pub struct ClientOrigin<'h> {
    scheme: &'static str,
    name: &'h str,
    port: u16,
}

impl<'h> Forwarded<'h> {
    /// Where a request has none of the `X-Forwarded-*` fields, what its field `Forwarded` (RFC 7239) says.
    #[must_use]
    pub fn or_standard(self, forwarded: Option<&'h str>) -> Self {
        let (None, None, None, Some(forwarded)) = (self.proto, self.host, self.port, forwarded) else {
            return self;
        };
        let nearest = forwarded.split(unquoted(',')).next().unwrap_or_default();
        let mut said = Self::default();
        for pair in nearest.split(unquoted(';')) {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            match name.trim() {
                name if name.eq_ignore_ascii_case("proto") => said.proto = Some(value),
                name if name.eq_ignore_ascii_case("host") => said.host = Some(value),
                _ => {}
            }
        }
        said
    }

    /// `local` is where the request arrived (`Host`), if no proxy says otherwise.
    ///
    /// A port that was said together with the name wins over `X-Forwarded-Port`: the client typed it, whereas some proxies
    /// report there the port that they listen on themselves.
    #[must_use]
    pub fn origin(&self, local: &'h str) -> ClientOrigin<'h> {
        let scheme = match self.proto.and_then(first) {
            Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
            _ => "http",
        };
        let forwarded = self.host.and_then(first).filter(|host| is_authority(host));
        let (name, own_port) = split_port(forwarded.unwrap_or(local));
        let said = self.port.and_then(first).and_then(port);
        let port = match forwarded {
            Some(_) => own_port.or(said),
            None => said.or(own_port),
        };
        ClientOrigin { scheme, name, port: port.unwrap_or_else(|| default_port(scheme)) }
    }
}

impl ClientOrigin<'_> {
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As a link begins, without the port that the scheme implies.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(self.scheme.len() + self.name.len() + 9);
        text.push_str(self.scheme);
        text.push_str("://");
        text.push_str(self.name);
        if self.port != default_port(self.scheme) {
            text.push(':');
            text.push_str(itoa::Buffer::new().format(self.port));
        }
        text
    }

    /// Whether an `Origin` field names this origin: the same scheme, host and port (RFC 6454 section 5).
    #[must_use]
    pub fn is(&self, origin: &str) -> bool {
        ClientOrigin::parse(origin).is_some_and(|other| self.equals(&other))
    }

    /// Whether two `Origin` fields, or entries of a list of origins, name the same one. A port that the scheme implies, and upper case,
    /// make no other origin.
    #[must_use]
    pub fn same(one: &str, other: &str) -> bool {
        one == other || ClientOrigin::parse(one).is_some_and(|one| one.is(other))
    }

    fn equals(&self, other: &ClientOrigin<'_>) -> bool {
        self.scheme == other.scheme && self.port == other.port && self.name.eq_ignore_ascii_case(other.name)
    }
}

impl<'t> ClientOrigin<'t> {
    /// Reads `http://` or `https://` with a host and perhaps a port, and nothing behind it.
    #[must_use]
    pub fn parse(text: &'t str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
        if !is_authority(authority) {
            return None;
        }
        let (name, port) = split_port(authority);
        Some(Self { scheme, name, port: port.unwrap_or_else(|| default_port(scheme)) })
    }
}

/// Only a name or an address, and a port: so it can neither break out of a JSON string nor lead to another path.
#[must_use]
pub fn is_authority(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !text.ends_with(']') => (name, port),
        _ => (text, ""),
    };
    let valid = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => {
            address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
                && !address.is_empty()
        }
        None => {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
                && !name.is_empty()
        }
    };
    valid && text.len() <= 255 && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// The name alone, and the port if there is one. `[::1]:8080` has colons in the name too.
#[must_use]
pub fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((name, digits)) if !digits.ends_with(']') && (!name.contains(':') || name.ends_with(']')) => {
            (name, port(digits))
        }
        _ => (authority, None),
    }
}

/// Finds a separator that stands in no quoted string.
fn unquoted(separator: char) -> impl FnMut(char) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    move |next| {
        match next {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return !quoted && next == separator,
        }
        false
    }
}

fn first(list: &str) -> Option<&str> {
    list.split(',').next().map(str::trim).filter(|first| !first.is_empty())
}

fn port(digits: &str) -> Option<u16> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| all_digits && *port > 0)
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(proto: &str, host: &str, port: &str) -> String {
        fn some(text: &str) -> Option<&str> {
            (!text.is_empty()).then_some(text)
        }
        Forwarded { proto: some(proto), host: some(host), port: some(port) }.origin("inner:8088").render()
    }

    #[test]
    fn one_proxy_or_a_chain_of_them() {
        for (proto, host, port, wanted) in [
            ("", "", "", "http://inner:8088"),
            ("http", "shop:8088", "8088", "http://shop:8088"),
            ("http", "shop", "80", "http://shop"),
            ("https", "shop", "", "https://shop"),
            ("HTTPS", "shop", "", "https://shop"),
            ("https", "shop", "443", "https://shop"),
            ("https", "shop", "8443", "https://shop:8443"),
            ("https, http", "shop", "", "https://shop"),
            ("https,http", "shop, inner.svc:8080", "", "https://shop"),
            ("https", "shop:8443, inner.svc", "", "https://shop:8443"),
            ("https , http", " shop , inner:80", "443, 80", "https://shop"),
            ("http, https", "shop, inner:443", "80, 443", "http://shop"),
            ("https", "shop:8443", "443", "https://shop:8443"),
            ("", "", "9000", "http://inner:9000"),
            ("http", "[::1]", "8088", "http://[::1]:8088"),
            ("http", "[::1]:8088", "", "http://[::1]:8088"),
            ("gopher", "shop", "99999", "http://shop"),
            ("https", "shop", "0, 1", "https://shop"),
            ("https", "evil/path", "", "https://inner:8088"),
            ("https", "a\"b", "", "https://inner:8088"),
            (",", ",", ",", "http://inner:8088"),
        ] {
            assert_eq!(origin(proto, host, port), wanted, "{proto:?} {host:?} {port:?}");
        }
    }

    #[test]
    fn the_standard_field_counts_where_it_is_alone() {
        for (forwarded, wanted) in [
            ("for=192.0.2.1;host=shop.example;proto=https", "https://shop.example"),
            ("Host=\"shop.example:8443\"; Proto=https, for=10.0.0.1;host=inner", "https://shop.example:8443"),
            ("proto=https", "https://inner:8088"),
            ("for=\"a;host=evil,\";proto=https", "https://inner:8088"),
            ("for=\"\\\";host=evil\";host=shop", "http://shop"),
            ("host=\"a/b\"", "http://inner:8088"),
            ("", "http://inner:8088"),
        ] {
            let said = Forwarded::default().or_standard(Some(forwarded));
            assert_eq!(said.origin("inner:8088").render(), wanted, "{forwarded}");
            let known = Forwarded { host: Some("known"), ..Forwarded::default() };
            assert_eq!(known.or_standard(Some(forwarded)).origin("inner").render(), "http://known");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let shop = Forwarded { proto: Some("https"), ..Forwarded::default() }.origin("shop.example");
        for same in ["https://shop.example", "https://shop.example:443", "HTTPS://Shop.Example"] {
            assert!(shop.is(same), "{same}");
        }
        for other in [
            "http://shop.example",
            "https://shop.example:8443",
            "https://shop.example.evil",
            "https://shop.example/",
            "https://shop.example@evil",
            "null",
            "",
        ] {
            assert!(!shop.is(other), "{other}");
        }
        assert!(Forwarded::default().origin("localhost:80").is("http://localhost"));
        assert!(Forwarded::default().origin("[::1]:8088").is("http://[::1]:8088"));
    }

    #[test]
    fn authorities() {
        for good in ["a", "a.b:80", "localhost:8088", "1.2.3.4", "[::1]", "[::1]:80", "a_b"] {
            assert!(is_authority(good), "{good}");
        }
        for bad in ["", ":80", "a b", "a/b", "a@b", "a:b", "a:123456", "[::1", "a\"", "a,b", "[x]", "[]"] {
            assert!(!is_authority(bad), "{bad}");
        }
    }
}

//! Where a service is.

use http::HeaderValue;
use settings::Invalid;

/// `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What `Host` says to the service.
    pub(crate) authority: HeaderValue,
}

impl Address {
    pub(crate) fn parse(key: &str, text: &str) -> Result<Self, Invalid> {
        let url = settings::url(key, text, &["http"])?;
        let extra = url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some();
        if extra {
            return Err(Invalid::new(key, "must be http://host:port and nothing more"));
        }
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        let authority = match url.port() {
            Some(port) => HeaderValue::from_str(&format!("{host}:{port}")),
            None => HeaderValue::from_str(host),
        };
        Ok(Self {
            // The brackets of an IPv6 address belong to the URL.
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: authority.map_err(|_| Invalid::new(key, "has a host that is not valid"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn addresses() {
        let address = Address::parse("uri", "http://payment:8080").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("payment", 8080));
        assert_eq!(address.authority, "payment:8080");
        let address = Address::parse("uri", "http://[::1]/").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("::1", 80));
        assert_eq!(address.authority, "[::1]");
        for wrong in [
            "",
            "payment",
            "payment:8080",
            "https://payment",
            "http://payment/x",
            "http://u:p@payment",
            "http://payment?x",
        ] {
            assert!(Address::parse("uri", wrong).is_err(), "{wrong}");
        }
    }
}

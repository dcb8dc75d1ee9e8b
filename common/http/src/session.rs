//! The cookies that make a browser's requests those of a signed-in user.
//!
//! account sets them, every service reads [`SESSION`] or [`SECURE_SESSION`], and the gateway refuses what another site sends with
//! any of them.

/// The short-lived token, where the client speaks HTTP: on loopback.
pub const SESSION: &str = "session";
/// The short-lived token, where the client speaks HTTPS. With the prefix `__Host-` a browser takes it only from this very host.
pub const SECURE_SESSION: &str = "__Host-session";
/// The refresh token, where the client speaks HTTP.
pub const REFRESH: &str = "refresh";
/// The refresh token, where the client speaks HTTPS. `__Host-` would demand `Path=/`, and the token would go along with every request;
/// with `__Secure-` account alone gets it.
pub const SECURE_REFRESH: &str = "__Secure-refresh";

const NAMES: [&str; 4] = [SESSION, SECURE_SESSION, REFRESH, SECURE_REFRESH];

/// Whether the value of a `Cookie` field has one of these cookies.
///
/// In doubt the answer is yes: a server that reads cookies leniently must not find one that went unnoticed here.
#[must_use]
pub fn is_in(cookies: &[u8]) -> bool {
    let mut pairs = cookies.split(|byte| matches!(byte, b';' | b','));
    pairs.any(|pair| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        NAMES.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_wherever_it_stands() {
        for cookies in [
            "session=a",
            "a=b; session=a",
            "a=b;session=a;c=d",
            "__Host-session=a.b.c",
            "refresh=x",
            "theme=dark; __Secure-refresh=x",
            "session =a",
            "Session=a",
            "a=\"b;session=a\"",
            "a=b, session=a",
            "session",
        ] {
            assert!(is_in(cookies.as_bytes()), "{cookies}");
        }
        for cookies in ["", ";", "a=session", "mysession=a", "session2=a", "a=b; c=session=d", "__Host-a=b"] {
            assert!(!is_in(cookies.as_bytes()), "{cookies}");
        }
        assert!(is_in(b"a=\xff; session=\xff"));
    }
}

//! Refuses paths that the gateway and a service could read differently, as Spring Security's `StrictHttpFirewall` does. A
//! service that decodes, splits or normalises a path in its own way could serve what no route opens.

use std::borrow::Cow;

use http_common::Problem;

use crate::problems::malformed;

/// The path as routes see it: unreserved characters decoded (`/%70ayments` is `/payments`), everything else as it came.
///
/// # Errors
/// 400 for a path that has more than one reading.
pub(crate) fn canonical(path: &str) -> Result<Cow<'_, str>, Problem> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(malformed("The request target is not a path."));
    }
    let mut encoded = false;
    let mut previous = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'.' if previous == b'/' && is_dots(&bytes[at..]) => {
                return Err(malformed("The path contains a dot segment."));
            }
            b'/' if previous == b'/' => {
                return Err(malformed("The path contains an empty segment."));
            }
            b'\\' | b';' => return Err(malformed("The path contains a backslash or a semicolon.")),
            b'%' => encoded = true,
            0..=0x20 | 0x7f => return Err(malformed("The path contains a control character.")),
            _ => {}
        }
        previous = byte;
    }
    match encoded {
        false => Ok(Cow::Borrowed(path)),
        true => decode(path).map(Cow::Owned),
    }
}

/// Whether the gateway itself answers the path, in any spelling: no route may lead there.
pub(crate) fn is_actuator(path: &str) -> bool {
    const NAME: &[u8] = b"/actuator";
    path.as_bytes().split_at_checked(NAME.len()).is_some_and(|(first, rest)| {
        first.eq_ignore_ascii_case(NAME) && matches!(rest.first(), None | Some(b'/'))
    })
}

/// `.` or `..`, to the end of the segment.
fn is_dots(rest: &[u8]) -> bool {
    let segment = rest.split(|&byte| byte == b'/').next().unwrap_or(rest);
    matches!(segment, b"." | b"..")
}

fn decode(path: &str) -> Result<String, Problem> {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let byte = after
            .as_bytes()
            .first_chunk::<2>()
            .and_then(|[high, low]| Some(hex(*high)? << 4 | hex(*low)?))
            .ok_or_else(|| malformed("The path contains a % that encodes nothing."))?;
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                decoded.push(char::from(byte));
            }
            b'/' | b'\\' | b'.' | b';' | b'%' | 0..=0x1f | 0x7f => {
                return Err(malformed(
                    "The path contains an encoded separator, dot, percent sign or control character.",
                ));
            }
            _ => {
                decoded.push('%');
                decoded.push_str(&after[..2]);
            }
        }
        rest = &after[2..];
    }
    decoded.push_str(rest);
    Ok(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_paths_stay_as_they_are() {
        for path in [
            "/",
            "/payments",
            "/payments/",
            "/payments/1",
            "/x/.well-known/a.b",
            "/x/...",
            "/x/a..b",
            "/x/(1)/@a:b+c,d=e",
        ] {
            assert!(matches!(canonical(path).unwrap(), Cow::Borrowed(same) if same == path), "{path}");
        }
    }

    #[test]
    fn unreserved_characters_are_decoded_and_others_kept() {
        assert_eq!(canonical("/%70ayments/%7e%31").unwrap(), "/payments/~1");
        assert_eq!(canonical("/a%20b/%C3%A4").unwrap(), "/a%20b/%C3%A4");
        assert_eq!(canonical("/%61ctuator").unwrap(), "/actuator");
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        for path in [
            "",
            "payments",
            "*",
            "/.",
            "/..",
            "/payments/..",
            "/payments/../actuator",
            "/payments/./1",
            "//payments",
            "/payments//1",
            "/payments%2f..%2factuator",
            "/payments/%2e%2e/actuator",
            "/payments/.%2e/actuator",
            "/payments%5c..",
            "/payments\\..\\actuator",
            "/payments;x=1/../actuator",
            "/payments/..;/actuator",
            "/payments%3b",
            "/payments%00",
            "/payments%0d%0a",
            "/payments%252e",
            "/payments%",
            "/payments%4",
            "/payments%zz",
            "/payments%+1",
        ] {
            assert_eq!(canonical(path).unwrap_err().status, 400, "{path}");
        }
    }

    #[test]
    fn the_actuator_is_recognised_in_any_case() {
        for path in ["/actuator", "/actuator/", "/actuator/health", "/ACTUATOR/x"] {
            assert!(is_actuator(path), "{path}");
        }
        for path in ["/", "/actuators", "/x/actuator", "/actuato"] {
            assert!(!is_actuator(path), "{path}");
        }
    }

    proptest! {
        /// However often a service decodes what was accepted, nothing appears that was not there.
        #[test]
        fn decoding_again_changes_nothing(path in "/([a-z./;\\\\%]|%[0-9a-fA-F]{2}){0,12}") {
            if let Ok(once) = canonical(&path) {
                prop_assert_eq!(canonical(&once).unwrap(), once.as_ref());
                prop_assert!(!once.contains("//") && !once.contains("/../") && !once.ends_with("/.."));
            }
        }
    }
}

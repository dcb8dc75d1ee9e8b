//! Reads of a request's head what decides where the request ends, and refuses whatever two servers could read differently.
//!
//! hyper would accept some of it, and lawfully so: `Transfer-Encoding` beside `Content-Length`, a length said twice, bare
//! line feeds. All request smuggling begins there (RFC 9112 section 11.2), so none of it passes.

use http_common::Problem;
use memchr::memchr;

use crate::problems::malformed;

/// As many header fields as hyper takes.
const MAX_FIELDS: usize = 100;

/// Where a request ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the head, the empty line included.
    pub(crate) length: usize,
    /// Rather than HTTP/1.0.
    pub(crate) http11: bool,
    pub(crate) body: BodyLength,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    Known(u64),
    Chunked,
}

/// `None` as long as the head is not complete.
///
/// # Errors
/// 400, 414, 431 or 505.
pub(crate) fn inspect(bytes: &[u8], limit: usize) -> Result<Option<Head>, Problem> {
    let mut fields = Fields::default();
    // Empty lines before a request are ignored (RFC 9112 section 2.2).
    let mut at = match bytes {
        [b'\r', b'\n', b'\r', b'\n', ..] => 4,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    };
    let mut http11 = None;
    while let Some(length) = memchr(b'\n', &bytes[at..]) {
        let Some(line) = bytes[at..at + length].strip_suffix(b"\r") else {
            return Err(malformed("A line of the head does not end in CR LF."));
        };
        at += length + 1;
        if at > limit {
            return Err(Problem::new(if http11.is_none() { 414 } else { 431 }));
        }
        match http11 {
            None => http11 = Some(request_line(line)?),
            Some(http11) if line.is_empty() => {
                return Ok(Some(Head { length: at, http11, body: fields.body_length(http11)? }));
            }
            Some(_) => fields.read(line)?,
        }
    }
    match bytes.len() >= limit {
        true => Err(Problem::new(if http11.is_none() { 414 } else { 431 })),
        false => Ok(None),
    }
}

/// Whether it is HTTP/1.1 rather than 1.0.
fn request_line(line: &[u8]) -> Result<bool, Problem> {
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed("The request line is not method, target and version."));
    };
    if method.is_empty() || !method.iter().all(|&byte| is_token(byte)) {
        return Err(malformed("The method is not valid."));
    }
    if target.is_empty() || !target.iter().all(|byte| matches!(byte, 0x21..=0x7e) && *byte != b'#') {
        return Err(malformed("The request target is not valid."));
    }
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        other if other.starts_with(b"HTTP/") => {
            Err(Problem::new(505).detail("The server speaks HTTP/1.1 and HTTP/1.0."))
        }
        _ => Err(malformed("The protocol version is not valid.")),
    }
}

#[derive(Default)]
struct Fields {
    count: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Fields {
    fn read(&mut self, line: &[u8]) -> Result<(), Problem> {
        self.count += 1;
        if self.count > MAX_FIELDS {
            return Err(Problem::new(431).detail("The request has too many header fields."));
        }
        let Some(colon) = memchr(b':', line) else {
            return Err(malformed("A header field has no colon."));
        };
        // Also finds a folded line, and white space before the colon.
        let name = &line[..colon];
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Err(malformed("The name of a header field is not valid."));
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts += 1,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = content_length(line[colon + 1..].trim_ascii())
                    .ok_or_else(|| malformed("Content-Length is not a number."))?;
                if self.length.replace(length).is_some() {
                    return Err(malformed("Content-Length is there more than once."));
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let value = line[colon + 1..].trim_ascii();
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(malformed("Transfer-Encoding is not chunked, once."));
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn body_length(&self, http11: bool) -> Result<BodyLength, Problem> {
        if self.hosts > 1 || (http11 && self.hosts == 0) {
            return Err(malformed("The request must have one Host header."));
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(malformed("The request has both Content-Length and Transfer-Encoding.")),
            (true, None) if !http11 => Err(malformed("HTTP/1.0 does not know Transfer-Encoding.")),
            (true, None) => Ok(BodyLength::Chunked),
            (false, length) => Ok(BodyLength::Known(length.unwrap_or(0))),
        }
    }
}

/// Digits only: no sign, no list, no hexadecimal.
fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0_u64, |length, byte| match byte {
        b'0'..=b'9' => length.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    const TOKENS: [bool; 256] = {
        let mut table = [false; 256];
        let symbols = b"!#$%&'*+-.^_`|~";
        let mut byte = 0;
        while byte < 128_u8 {
            table[byte as usize] = byte.is_ascii_alphanumeric();
            byte += 1;
        }
        let mut at = 0;
        while at < symbols.len() {
            table[symbols[at] as usize] = true;
            at += 1;
        }
        table
    };
    TOKENS[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1000;

    fn status(head: &str) -> u16 {
        inspect(head.as_bytes(), LIMIT).unwrap_err().status
    }

    #[test]
    fn finds_the_end() {
        let head = "POST /x HTTP/1.1\r\nHost: a\r\ncontent-LENGTH: 5\r\n\r\n";
        let with_more = format!("{head}12345GET ");
        assert_eq!(
            inspect(with_more.as_bytes(), LIMIT).unwrap(),
            Some(Head { length: head.len(), http11: true, body: BodyLength::Known(5) })
        );
        for end in 0..head.len() {
            assert_eq!(inspect(&head.as_bytes()[..end], LIMIT).unwrap(), None, "{end}");
        }
    }

    #[test]
    fn bodies() {
        let body = |fields: &str| {
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
            inspect(head.as_bytes(), LIMIT).map(|head| head.unwrap().body)
        };
        assert_eq!(body("").unwrap(), BodyLength::Known(0));
        assert_eq!(body("Transfer-Encoding: Chunked\r\n").unwrap(), BodyLength::Chunked);
        for wrong in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding:\x0bchunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            " Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding\t: chunked\r\n",
            "X: y\r\n Transfer-Encoding: chunked\r\n",
            "X: y\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length: 1 1\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length : 1\r\n",
            "No colon\r\n",
            ": empty\r\n",
            "Host: b\r\n",
        ] {
            assert_eq!(body(wrong).unwrap_err().status, 400, "{wrong:?}");
        }
    }

    #[test]
    fn request_lines() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            ("GET /\r\n\r\n", 400),
            ("GET / HTTP/1.1 \r\nhost: a\r\n\r\n", 400),
            (" GET / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            ("G@T / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            ("GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            ("GET /#a HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            ("GET /\u{e4} HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            ("GET / http/1.1\r\nhost: a\r\n\r\n", 400),
            ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("\n\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ] {
            assert_eq!(status(head), expected, "{head:?}");
        }
        assert!(inspect(b"\r\nGET / HTTP/1.0\r\n\r\n", LIMIT).unwrap().is_some());
    }

    #[test]
    fn limits() {
        let long = "a".repeat(LIMIT);
        assert_eq!(status(&format!("GET /{long}")), 414);
        assert_eq!(status(&format!("GET /{long} HTTP/1.1\r\n\r\n")), 414);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\na: {long}")), 431);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nhost: a\r\na: {long}\r\n\r\n")), 431);
        let many = "a:\r\n".repeat(101);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{many}\r\n")), 431);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Some(head)) = inspect(&bytes, LIMIT) {
                prop_assert!(head.length <= bytes.len());
            }
        }

        /// What is said of a head does not depend on what follows it.
        #[test]
        fn what_follows_changes_nothing(head in "GET / HTTP/1[.]1\r\nhost: a\r\n(content-length: [0-9]{1,3}\r\n)?\r\n", more in "[ -~\r\n]{0,40}") {
            let alone = inspect(head.as_bytes(), LIMIT).unwrap();
            let followed = inspect(format!("{head}{more}").as_bytes(), LIMIT).unwrap();
            prop_assert_eq!(alone, followed);
        }
    }
}

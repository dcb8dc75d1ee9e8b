//! Requests that nobody should send: the corpora of the gateway's tests, and generated ones.

use crate::rng::Rng;

const PIECES: &[&str] = include!("../../../../gateway/tests/corpora/pieces.rs");
const REFUSED: &[&str] = include!("../../../../gateway/tests/corpora/refused.rs");
const BAD_CHUNKS: &[&str] = include!("../../../../gateway/tests/corpora/bad_chunks.rs");
/// What the corpora ask for.
const THEIR_PATH: &str = "/x";

const ENDPOINTS: [&str; 14] = [
    "/preReservations",
    "/preReservations/1",
    "/preReservations/search/findByUserId",
    "/payments",
    "/payments/1",
    "/receipts",
    "/receipts/1",
    "/receipts/search/findByUserId",
    "/myReservations",
    "/myReservations/1",
    "/myReservations/1/timeline",
    "/myReservations/search/findByUserId",
    "/",
    "/actuator/health",
];
const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW"];
const SUFFIXES: [&str; 22] = [
    "",
    "/",
    "//",
    "/..",
    "/../../actuator/loggers",
    "/%2e%2e/%2e%2e/actuator/loggers",
    "/..%2f..%2factuator",
    "/%00",
    "/%",
    "/abc",
    "/-1",
    "/0",
    "/9223372036854775808",
    "/1%201",
    "/\u{e4}",
    "?page=-1&size=-1",
    "?size=99999999999999999999",
    "?page=9223372036854775807&size=2000",
    "?sort=id,sideways&sort=;;&sort=%00,desc",
    "?userId=abc",
    "?userId=9223372036854775808",
    "?userId=%27%20OR%201=1--",
];
const FIELDS: [&str; 17] = [
    "",
    "Accept: image/png\r\n",
    "Accept: ;;,,/\r\n",
    "Accept: application/hal+json;q=2\r\n",
    "Content-Type: text/plain\r\n",
    "Content-Type: application/json; charset=utf-16\r\n",
    "Content-Type: ;\r\n",
    "Content-Encoding: gzip\r\n",
    "Idempotency-Key: \r\n",
    "Idempotency-Key: \u{e4}\u{7f}\r\n",
    "X-Min-Version: abc\r\n",
    "X-Min-Version: 9223372036854775808.-1\r\n",
    "traceparent: 00-ffffffffffffffffffffffffffffffff-0-zz\r\n",
    "X-Forwarded-Host: \"\r\nX-Forwarded-Port: 99999999\r\nX-Forwarded-Proto: javascript\r\n",
    "Forwarded: for=;;;\r\n",
    "Range: bytes=9-1\r\nIf-Match: *\r\nIf-Modified-Since: yesterday\r\n",
    "Expect: 200-maybe\r\n",
];
const ORDER: [(&str, &str); 6] = [
    ("userId", "1"),
    ("userAddress", "\"seoul\""),
    ("productId", "1"),
    ("productName", "\"fold\""),
    ("price", "1300000"),
    ("cardNo", "\"4539148803436467\""),
];
/// Nothing that any field of an order may have.
const BAD_VALUES: [&str; 16] = [
    "null",
    "true",
    "[]",
    "[1]",
    "{}",
    "{\"a\":{\"b\":[]}}",
    "\"\"",
    "\"   \"",
    "\"a\\u0000b\"",
    "\"\\ud800\"",
    "-1",
    "1.5",
    "1e300",
    "NaN",
    "\"\\n\"",
    "'1'",
];

/// The corpora at every endpoint, and generated ones up to the number wanted.
pub(super) fn requests(seed: u64, wanted: usize) -> Vec<Vec<u8>> {
    let mut rng = Rng::fork(seed, 2);
    let mut requests = Vec::new();
    for endpoint in ENDPOINTS {
        let at = |text: &str| text.replacen(&format!(" {THEIR_PATH} "), &format!(" {endpoint} "), 1);
        requests.extend(REFUSED.iter().map(|request| at(request).into_bytes()));
        requests.extend(BAD_CHUNKS.iter().map(|chunks| {
            let head = "HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
            format!("POST {endpoint} {head}\r\n\r\n{chunks}").into_bytes()
        }));
    }
    // A small run has some of everything.
    while requests.len() > wanted / 2 {
        requests.swap_remove(rng.below(requests.len() as u64) as usize);
    }
    while requests.len() < wanted {
        requests.push(generated(&mut rng));
    }
    requests
}

fn one_of<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    of[rng.below(of.len() as u64) as usize]
}

fn generated(rng: &mut Rng) -> Vec<u8> {
    let endpoint = one_of(rng, &ENDPOINTS);
    let pieces = |rng: &mut Rng| (0..rng.below(12)).map(|_| one_of(rng, PIECES)).collect::<String>();
    match rng.below(4) {
        0 => format!("{}\r\n\r\n", pieces(rng).replace(THEIR_PATH, endpoint)).into_bytes(),
        1 => {
            let (method, rest) = (one_of(rng, &METHODS), pieces(rng));
            format!("{method} {endpoint} HTTP/1.1\r\nHost: a\r\n{rest}\r\n\r\n").into_bytes()
        }
        2 => {
            let (method, suffix) = (one_of(rng, &METHODS), one_of(rng, &SUFFIXES));
            let fields = [one_of(rng, &FIELDS), one_of(rng, &FIELDS)].concat();
            let body = broken_body(rng);
            let length = body.len();
            let head = format!(
                "{method} {endpoint}{suffix} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n"
            );
            [head.into_bytes(), body].concat()
        }
        _ => {
            let path = if rng.percent(50) { "/preReservations" } else { "/payments" };
            let body = broken_body(rng);
            let length = body.len();
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            );
            [head.into_bytes(), body].concat()
        }
    }
}

/// Never an order.
fn broken_body(rng: &mut Rng) -> Vec<u8> {
    let broken = rng.below(ORDER.len() as u64) as usize;
    let with = |value: Option<&str>| {
        let fields = ORDER.iter().enumerate().filter_map(|(index, (name, good))| {
            let value = if index == broken { value? } else { good };
            Some(format!("\"{name}\":{value}"))
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    };
    match rng.below(6) {
        0 => with(None).into_bytes(),
        1 => {
            let mut whole = with(Some("1")).into_bytes();
            whole.truncate(rng.below(whole.len() as u64) as usize);
            whole
        }
        2 => "[".repeat(rng.between(1, 20_000) as usize).into_bytes(),
        3 => (0..rng.below(200)).map(|_| rng.below(256) as u8).collect(),
        _ => with(Some(one_of(rng, &BAD_VALUES))).into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_follow_from_the_seed_and_every_endpoint_gets_the_corpora() {
        let all = requests(1, 10_000);
        assert_eq!(all.len(), 10_000);
        assert!(all == requests(1, 10_000) && all != requests(2, 10_000));
        assert_eq!(requests(1, 500).len(), 500);
        for endpoint in ENDPOINTS {
            let start =
                format!("POST {endpoint} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding");
            assert!(all.iter().any(|request| request.starts_with(start.as_bytes())), "{endpoint}");
        }
    }
}

//! Broken requests at every endpoint: nobody is to blame but who sent them, and nothing comes of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Act, Played};
use crate::faults::customers::contains;
use crate::faults::rng::Rng;
use crate::faults::run::Place;
use crate::faults::snapshot::Snapshot;
use crate::report::Figure;
use crate::{Error, Ground, Plan, Service, System};

const CLIENTS: u64 = 64;
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

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

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    let wanted = act.size(10_000, 500);
    // Requests that never end are to end soon.
    let plan = Plan::all()?
        .with(Some(Service::Gateway), "SERVER_HEADER_TIMEOUT_MS", "300")
        .with(Some(Service::Gateway), "SERVER_BODY_TIMEOUT_MS", "300")
        .with(Some(Service::Gateway), "SERVER_KEEP_ALIVE_MS", "300")
        .with(None, "LOG_LEVEL", "info");
    let mut system = System::start(plan, Ground::new(place.stage).await?).await?;
    let address = system.address(Service::Gateway)?;
    let requests = Arc::new(requests(act.seed, wanted));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(send_all(address, Arc::clone(&requests), usize::try_from(client).unwrap_or_default()));
    }
    let mut seen = Seen::default();
    while let Some(more) = clients.join_next().await {
        seen.add(more.map_err(|error| Error::unexpected(error.to_string()))?);
    }
    system.must_run()?;
    let snapshot = Snapshot::take(system.ground()).await?;
    let stored = snapshot.reservations.len()
        + snapshot.payments.len()
        + snapshot.receipts.len()
        + snapshot.view.len()
        + snapshot.facts.len()
        + snapshot.keys.len();
    let mut panics = 0;
    for service in Service::ALL {
        let log = std::fs::read(system.log(service, 0)).unwrap_or_default();
        panics += usize::from(contains(&log, b"panicked"));
    }
    let ground = system.stop().await?;
    let bad = !seen.ours.is_empty() || stored > 0 || panics > 0 || !seen.hung.is_empty();
    for (what, requests) in [("5xx", &seen.ours), ("no end", &seen.hung)] {
        requests.iter().take(20).for_each(|request| println!("{what}: {request:?}"));
    }
    if place.keep || bad {
        eprintln!("data and logs stay in {}", ground.keep().display());
    } else {
        ground.remove().await?;
    }
    let statuses = seen.statuses.iter().map(|(status, count)| format!("{status}: {count}"));
    let statuses = statuses.collect::<Vec<_>>().join(", ");
    let figures = vec![
        Figure::new("bad_requests", requests.len() as f64, "")
            .at_least(wanted as f64)
            .note(format!("answers: {statuses}; {} connections closed without one", seen.closed)),
        Figure::new("ours_5xx", seen.ours.len() as f64, "").at_most(0.0).note("501 and 505 are the client's"),
        Figure::new("panics", panics as f64, "").at_most(0.0),
        Figure::new("stored", stored as f64, "").at_most(0.0).note("rows, keys and facts"),
        Figure::new("hung", seen.hung.len() as f64, "")
            .at_most(0.0)
            .note("neither answered nor closed in 10 s"),
    ];
    Ok(Played { figures, outcome: None })
}

/// The corpora at every endpoint, and generated ones up to the number wanted.
fn requests(seed: u64, wanted: usize) -> Vec<Vec<u8>> {
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

#[derive(Default)]
struct Seen {
    statuses: BTreeMap<u16, u64>,
    ours: Vec<String>,
    hung: Vec<String>,
    closed: u64,
}

impl Seen {
    fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.ours.extend(other.ours);
        self.hung.extend(other.hung);
        self.closed += other.closed;
    }
}

async fn send_all(address: SocketAddr, requests: Arc<Vec<Vec<u8>>>, client: usize) -> Seen {
    let mut seen = Seen::default();
    for request in requests.iter().skip(client).step_by(CLIENTS as usize) {
        let shown = || String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
        let answer = match tokio::time::timeout(ANSWERED_WITHIN, send(address, request)).await {
            Ok(answer) => answer,
            Err(_) => {
                seen.hung.push(shown());
                continue;
            }
        };
        let statuses = statuses(&answer);
        seen.closed += u64::from(statuses.is_empty());
        if statuses.iter().any(|status| *status >= 500 && ![501, 505].contains(status)) {
            seen.ours.push(format!("{statuses:?} {}", shown()));
        }
        for status in statuses {
            *seen.statuses.entry(status).or_default() += 1;
        }
    }
    seen
}

/// All that comes back until the connection is closed; it may be before everything was sent.
async fn send(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(address).await {
        let (mut from, mut to) = stream.split();
        let _ = tokio::join!(to.write_all(request), from.read_to_end(&mut answer));
    }
    answer
}

/// Of all answers: garbage may be several requests.
fn statuses(answer: &[u8]) -> Vec<u16> {
    let begin = b"HTTP/1.1 ";
    let found = answer.windows(begin.len() + 3).filter(|window| window.starts_with(begin));
    found.filter_map(|window| str::from_utf8(&window[begin.len()..]).ok()?.parse().ok()).collect()
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

    #[test]
    fn each_answer_counts() {
        assert_eq!(statuses(b""), []);
        assert_eq!(statuses(b"HTTP/1.1 400 Bad\r\n\r\n{}HTTP/1.1 503 x\r\n\r\n"), [400, 503]);
    }
}

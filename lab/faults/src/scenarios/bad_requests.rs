//! Broken requests at every endpoint: nobody is to blame but who sent them, and nothing comes of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::act::{Act, Played};
use super::broken;
use crate::run::Place;
use crate::snapshot::Snapshot;
use bench::report::Figure;
use harness::{Error, Ground, Plan, Service, System};

const CLIENTS: u64 = 64;
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

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
    let requests = Arc::new(broken::requests(act.seed, wanted));
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
        panics += usize::from(String::from_utf8_lossy(&log).contains("panicked"));
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
    fn each_answer_counts() {
        assert!(statuses(b"").is_empty());
        assert_eq!(statuses(b"HTTP/1.1 400 Bad\r\n\r\n{}HTTP/1.1 503 x\r\n\r\n"), [400, 503]);
    }
}

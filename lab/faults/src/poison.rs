//! Records that nobody can read, under the keys of reservations that exist; and at the end, what an operator does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use messaging::{EventLog, Record};

use crate::customers::Shop;
use crate::rng::Rng;
use harness::http::{self, Client};
use harness::{Error, Service, System};

/// Tells them from the services' own.
pub const HEADER: &str = "x-fault-runner";
const PAYLOADS: [&str; 3] = [
    "no json at all \u{1}{",
    "{\"eventType\":\"PaymentCreated\",\"timestamp\":1,\"id\":\"none\",\"preReservationId\":-5,\"version\":\"x\"}",
    "{\"timestamp\":1662883010408,\"status\":\"of no type\"}",
];
/// Facts of a reservation that takes its usual way.
const FACTS: f64 = 3.0;
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps the share of bad records at `percent` of all until the shop is done.
pub async fn poison(shop: Arc<Shop>, log: Arc<dyn EventLog>, topic: String, percent: f64) {
    let mut rng = Rng::fork(shop.seed, u64::MAX);
    while !shop.is_done() {
        let wanted = shop.book.reserved() as f64 * FACTS * percent / 100.0;
        let done = shop.book.pages().poisoned.len();
        let latest = shop.book.latest();
        if (done as f64) < wanted && latest > 0 {
            // Mostly where something still happens.
            let back = i64::try_from(rng.below(10)).unwrap_or_default();
            let payload = PAYLOADS[usize::try_from(rng.below(PAYLOADS.len() as u64)).unwrap_or_default()];
            let key = (latest - back).max(1);
            let record = Record {
                topic: topic.clone(),
                key: Some(key.to_string()),
                payload: payload.as_bytes().to_vec(),
                headers: vec![(HEADER.to_owned(), b"poison".to_vec())],
                timestamp_ms: storage::now_ms(),
            };
            // A log that is away takes none; the next one is tried instead.
            if log.publish(&[record]).await.iter().all(Result::is_ok) {
                shop.book.pages().poisoned.push(key);
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Replays what waits and discards what is dead, through each service's actuator, until nothing is left.
///
/// # Errors
/// An actuator that does not answer.
pub async fn clean_up(system: &System, deadline: Instant) -> Result<u64, Error> {
    let mut discarded = 0;
    for service in [Service::Payment, Service::Receipt, Service::Myreservation] {
        let mut operator = Operator::new(system.address(service)?);
        // Once: a replay of what is really bad fails, and leaves everything as it was.
        let mut replayed = false;
        loop {
            if operator.dead().await? == 0 || Instant::now() > deadline {
                break;
            }
            let action = if replayed { "discard" } else { "replay" };
            let asked = operator.ask(action).await?;
            discarded += if replayed { asked } else { 0 };
            replayed = true;
            tokio::time::sleep(Duration::from_millis(1500)).await;
        }
    }
    Ok(discarded)
}

struct Operator(Client);

impl Operator {
    fn new(address: SocketAddr) -> Self {
        Self(Client::new(address, PATIENCE))
    }

    /// Without those that wait behind them.
    async fn dead(&mut self) -> Result<u64, Error> {
        let answer =
            self.0.get("/actuator/deadletters").await.map_err(Error::io("asking for dead letters"))?;
        let json = answer.json().unwrap_or_default();
        Ok(json["dead"].as_u64().unwrap_or_default())
    }

    /// For all of them; how many they are.
    async fn ask(&mut self, action: &str) -> Result<u64, Error> {
        let mut request = Vec::new();
        let body = format!("{{\"action\":\"{action}\",\"all\":true}}");
        http::with_body(&mut request, "POST", "/actuator/deadletters", "", body.as_bytes());
        let answer = self.0.send(&request).await.map_err(Error::io("asking to clean up"))?;
        Ok(answer.json().and_then(|json| json["requested"].as_u64()).unwrap_or_default())
    }
}

//! A stranger pays for reservations whose ids nobody has yet: at the gateway, and at payment itself without its secret.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;

use super::act::{Act, Played};
use crate::customers::Shop;
use crate::orders::Habits;
use crate::run::{Place, Show, plan};
use crate::settings::Settings;
use bench::report::Figure;
use harness::http::{self, Client};
use harness::{Error, Service};

const AHEAD: i64 = 40;
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN: Duration = Duration::from_millis(2);
/// As many as were there whatever the machine is doing: more than customers reserve.
const STRANGERS: usize = 4;

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    let reservations = act.size(2_000, 100);
    let settings = Settings {
        seed: act.seed,
        reservations,
        kills: 0,
        replicas: act.replicas,
        customers: 8,
        poison: 0.0,
    };
    let habits = Habits { cancels: 10, reads: 0, races: 0, ..Habits::default() };
    // The network and the machine fail nothing here: what fails, fails for the stranger.
    let plan = plan(act.replicas)?
        .with(Some(Service::Prereservation), "PAYMENT_CLIENT_TIMEOUT_MS", "10000")
        .with(Some(Service::Prereservation), "CIRCUIT_BREAKER_SLOW_CALL_DURATION_THRESHOLD_MS", "9900")
        .with(Some(Service::Payment), "PROVIDER_ERROR_RATE", "0");
    let show = Show::open(place, &settings, habits, plan).await?;
    let mut strangers = JoinSet::new();
    for number in 0..STRANGERS {
        let service = if number % 2 == 0 { Service::Gateway } else { Service::Payment };
        let address = show.system.address(service)?;
        strangers.spawn(squat(Arc::clone(&show.shop), address, number));
    }
    show.shop.allowed.store(u64::MAX, Ordering::SeqCst);
    let mut answers: BTreeMap<u16, u64> = BTreeMap::new();
    // They stay until the last customer was served, or until nobody is served any more.
    let closing = show.close(Vec::new());
    let outcome = closing.await?;
    while let Some(seen) = strangers.join_next().await {
        for status in seen.map_err(|error| Error::unexpected(error.to_string()))? {
            *answers.entry(status).or_default() += 1;
        }
    }
    let taken: u64 = answers.iter().filter(|(status, _)| (200..300).contains(*status)).map(|(_, n)| n).sum();
    let asked: u64 = answers.values().sum();
    let said =
        answers.iter().map(|(status, count)| format!("{status}: {count}")).collect::<Vec<_>>().join(", ");
    let posts = &outcome.pages.posts;
    let failed = posts.iter().filter(|post| post.status == 0 || post.status >= 500).count();
    let figures = vec![
        Figure::new("strangers_asked", asked as f64, "").at_least(reservations as f64).note(said),
        Figure::new("strangers_paid", taken as f64, "").at_most(0.0),
        Figure::new("customers_failed", failed as f64, "")
            .at_most(0.0)
            .note(format!("of {} requests: 5xx, or no answer", posts.len())),
    ];
    Ok(Played { figures, outcome: Some(outcome) })
}

/// Always ahead of the ids that customers get; the statuses of the answers.
async fn squat(shop: Arc<Shop>, address: SocketAddr, number: usize) -> Vec<u16> {
    let mut client = Client::new(address, PATIENCE);
    let mut seen = Vec::new();
    while !shop.is_done() {
        let ahead = 1 + (seen.len() * STRANGERS + number) as i64 % AHEAD;
        let body = format!(
            "{{\"preReservationId\":{},\"userId\":666,\"productId\":1,\"productName\":\"fold\",\"price\":1,\
             \"cardNo\":\"4111-1111-1111-1111\"}}",
            shop.book.latest() + ahead
        );
        let mut request = Vec::new();
        http::with_body(&mut request, "POST", "/payments", "", body.as_bytes());
        if let Ok(answer) = client.send(&request).await {
            seen.push(answer.status);
        }
        tokio::time::sleep(BETWEEN).await;
    }
    seen
}

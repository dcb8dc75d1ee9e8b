//! What the services say of themselves meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::orders::Post;
use bench::report::Figure;
use harness::http::Client;
use harness::{Service, System};

const PATIENCE: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_millis(100);

/// Components that are not UP, as `payment.db`. A service that does not answer has the one component `health`.
pub(super) async fn down(system: &System) -> Vec<String> {
    let mut down = Vec::new();
    for (service, address) in addresses(system) {
        let answer = Client::new(address, PATIENCE).get("/actuator/health").await.ok();
        let json = answer.and_then(|answer| answer.json()).unwrap_or_default();
        match json["components"].as_object() {
            Some(components) => {
                let unwell = components.iter().filter(|(_, component)| component["status"] != "UP");
                down.extend(unwell.map(|(name, _)| format!("{}.{name}", service.name())));
            }
            None => down.push(format!("{}.health", service.name())),
        }
    }
    down
}

/// Services that would get no more requests, or be restarted.
pub(super) async fn not_ready(system: &System) -> Vec<String> {
    let mut not_ready = Vec::new();
    for (service, address) in addresses(system) {
        for group in ["readiness", "liveness"] {
            let answer = Client::new(address, PATIENCE).get(&format!("/actuator/health/{group}")).await;
            if !answer.is_ok_and(|answer| answer.status == 200) {
                not_ready.push(format!("{}.{group}", service.name()));
            }
        }
    }
    not_ready
}

fn addresses(system: &System) -> impl Iterator<Item = (Service, std::net::SocketAddr)> + '_ {
    let with_database = Service::ALL.into_iter().filter(|service| service.has_database());
    with_database.flat_map(|service| system.plan().addresses(service).iter().map(move |a| (service, *a)))
}

/// In how many seconds what is down is as wanted; and what it was in the end.
pub(super) async fn until(
    system: &System,
    within: Duration,
    wanted: impl Fn(&[String]) -> bool,
) -> (f64, Vec<String>) {
    let start = Instant::now();
    loop {
        let down = down(system).await;
        if wanted(&down) {
            return (start.elapsed().as_secs_f64(), down);
        }
        if start.elapsed() > within {
            return (f64::INFINITY, down);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// A figure that has a goal and no value did not happen within its time.
pub(super) fn required(mut figure: Figure) -> Figure {
    figure.met = figure.met.or(figure.goal.map(|_| false));
    figure
}

/// What was seen of the services while something was wrong, and afterwards.
pub(super) struct Seen {
    /// How soon each has to say so.
    pub within: Duration,
    pub said_after: f64,
    pub down: Vec<String>,
    pub not_ready: Vec<String>,
    pub ended: Option<String>,
    pub well_after: f64,
    pub unwell: Vec<String>,
}

impl Seen {
    /// `meanwhile` are the answers of the time in which it was wrong.
    pub(super) fn figures(self, meanwhile: &BTreeMap<u16, usize>) -> Vec<Figure> {
        let otherwise = meanwhile.iter().filter(|(status, _)| !matches!(**status, 201 | 402 | 409 | 503));
        let otherwise: usize = otherwise.map(|(_, n)| n).sum();
        let within = self.within.as_secs_f64();
        let ended = f64::from(u8::from(self.ended.is_some()));
        vec![
            Figure::new("answered_otherwise", otherwise as f64, "")
                .at_most(0.0)
                .note("neither 201, 402, 409 nor 503"),
            Figure::new("health_down_after", self.said_after, "s").at_most(within).note(self.down.join(", ")),
            Figure::new("probes_failed", self.not_ready.len() as f64, "")
                .at_most(0.0)
                .note(self.not_ready.join(", ")),
            Figure::new("ended", ended, "").at_most(0.0).note(self.ended.unwrap_or_default()),
            Figure::new("health_up_after", self.well_after, "s").at_most(within).note(self.unwell.join(", ")),
        ]
    }
}

/// How often each status was the answer to a request that was sent and answered in this time.
pub(super) fn statuses(posts: &[Post], from: Duration, to: Duration) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for post in posts.iter().filter(|post| post.sent_at >= from && post.sent_at + post.took < to) {
        *statuses.entry(post.status).or_default() += 1;
    }
    statuses
}

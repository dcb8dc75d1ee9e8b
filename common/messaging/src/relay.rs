//! Publishes what the outbox holds, in order, and removes it after the log's acknowledgement.
//!
//! What is published is removed together with what follows soon: a transaction for each batch would cost as much as the
//! transaction that wrote it. A relay that dies before publishes it once more, which readers are used to.
//!
//! Reading order: [`turn`] (what it does once), [`lanes`] (a topic does not wait for another), [`held`] (what the log refuses),
//! [`floor`] (where the search for the oldest record begins).

mod floor;
mod held;
mod lanes;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use storage::Lease;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::log::EventLog;
use crate::outbox::Outbox;
use crate::relay::floor::Floor;
use crate::relay::held::Held;
use crate::relay::lanes::Lanes;
use crate::relay_status::RelayStatus;

/// Another process's commit wakes nobody here, so the relay looks again after this long.
const POLL: Duration = Duration::from_millis(50);
/// How long a relay may be silent before another replica's takes over.
const LEASE_TTL: Duration = Duration::from_millis(3_000);
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// The search for other topics' records takes at most this share of the time while a topic cannot be written.
const SEARCH_SHARE: u32 = 10;
const SEARCH_AT_LEAST_EVERY: Duration = Duration::from_secs(2);
/// How long a stopping service tries to publish what it has committed; the rest is published by the next relay.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

pub struct Relay {
    application: &'static str,
    outbox: Outbox,
    log: Arc<dyn EventLog>,
    lease: Lease,
    lease_ttl: Duration,
    poll: Duration,
    backoff: Backoff,
    lanes: Lanes,
    held: Held,
    floor: Floor,
    status: RelayStatus,
    /// What is in the log and still in the outbox.
    published: Vec<i64>,
    /// How long the last search in the outbox took.
    searched_for: Duration,
    measured_at: Option<Instant>,
}

/// What a relay found to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// A full batch was published; there may be more.
    More,
    /// Everything that was there is published.
    Done,
    /// Some topic's records are under way, or failed a moment ago. Those of the others are published.
    Busy,
    /// Another relay publishes.
    NotOurs,
    /// The database cannot be read or written.
    Failed,
}

impl Relay {
    pub fn new(application: &'static str, outbox: Outbox, log: Arc<dyn EventLog>) -> Self {
        let lease = Lease::new(outbox.database().clone(), "relay", LEASE_TTL);
        Self {
            application,
            outbox,
            log,
            lease,
            lease_ttl: LEASE_TTL,
            poll: POLL,
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(5)),
            lanes: Lanes::default(),
            held: Held::default(),
            floor: Floor::default(),
            status: RelayStatus::default(),
            published: Vec::new(),
            searched_for: Duration::ZERO,
            measured_at: None,
        }
    }

    /// How long this relay may be silent before another one takes over; 3 s if nothing is said.
    #[must_use]
    pub fn with_lease_ttl(mut self, ttl: Duration) -> Self {
        self.lease = Lease::new(self.outbox.database().clone(), "relay", ttl);
        self.lease_ttl = ttl;
        self
    }

    /// Whether it can go on is said there, for health checks.
    #[must_use]
    pub fn with_status(mut self, status: RelayStatus) -> Self {
        self.status = status;
        self
    }

    /// After which time this relay looks for what other processes committed; 50 ms if nothing is said. What this
    /// process commits is published at once.
    #[must_use]
    pub fn with_poll_interval(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Relays until `stop`, then publishes what is left and gives the lease back. Ends within seconds, also when the
    /// database or the log is away.
    pub async fn run(mut self, stop: CancellationToken) {
        let patience = async {
            stop.cancelled().await;
            sleep(FLUSH_LIMIT).await;
        };
        tokio::select! {
            () = self.work(&stop) => {}
            () = patience => tracing::warn!("stopped before the outbox was empty; the next relay continues"),
        }
        match timeout(RELEASE_LIMIT, self.lease.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "relay lease not released; it ends by itself"),
            Err(_) => tracing::debug!("relay lease not released in time; it ends by itself"),
        }
    }

    async fn work(&mut self, stop: &CancellationToken) {
        loop {
            // Asked before the turn: what was committed before the stop is published.
            let last = stop.is_cancelled();
            let turn = self.turn(last).await;
            if turn == Turn::More {
                continue;
            }
            let is_done = matches!(turn, Turn::Done | Turn::NotOurs);
            if last && is_done && self.remove_published().await.is_ok() {
                return;
            }
            let pause = match turn {
                Turn::Busy => self.pause_while_busy(),
                // A failure while stopping is tried again as well: connections of the pool that were opened on the server's
                // own threads have ended with them, and each shows it once. How long, `run` says.
                _ if turn == Turn::Failed || last => self.backoff.next_pause(),
                _ => self.poll,
            };
            let under_way = self.lanes.any_under_way();
            tokio::select! {
                () = self.outbox.committed(), if turn == Turn::Done => {}
                Some(sent) = self.lanes.next(), if under_way => self.settle_or_doubt(sent).await,
                () = sleep(pause) => {}
                () = stop.cancelled(), if !last => {}
            }
        }
    }

    /// Until a topic may be tried again, the lease is to be renewed, or other topics' records are looked for.
    fn pause_while_busy(&self) -> Duration {
        let search = (self.searched_for * SEARCH_SHARE).clamp(POLL, SEARCH_AT_LEAST_EVERY);
        let pause = search.min(self.lease_ttl / 3);
        self.lanes.rested_in().map_or(pause, |rested| rested.min(pause))
    }

    async fn measure(&mut self) {
        if self.measured_at.is_some_and(|at| at.elapsed() < METRICS_EVERY) {
            return;
        }
        self.measured_at = Some(Instant::now());
        // What is published does not wait, and must not look as if it did.
        if let Err(error) = self.remove_published().await {
            tracing::debug!(%error, "what is published is removed later");
        }
        let application = self.application;
        let from = self.floor.id();
        if let Ok((depth, oldest)) = self.outbox.waiting(from).await {
            let age_ms = oldest.map_or(0, |at| (storage::now_ms() - at).max(0));
            metrics::gauge!("outbox_depth", "application" => application).set(depth as f64);
            metrics::gauge!("outbox_oldest_age_seconds", "application" => application)
                .set(age_ms as f64 / 1000.0);
        }
        if let Ok(held) = self.outbox.held().await {
            metrics::gauge!("outbox_held", "application" => application).set(held as f64);
        }
    }
}

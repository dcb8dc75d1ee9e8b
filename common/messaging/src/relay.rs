//! The relay publishes the records of the outbox in order, and deletes those that the event log has acknowledged.
//!
//! The relay deletes published records together with those that follow soon, because a transaction for each batch would cost
//! as much as the transaction that wrote it. If the relay dies before, the next one publishes them again. Readers ignore that.
//!
//! Reading order: [`turn`] (one turn of the loop), [`lanes`] (topics do not wait for each other), [`held`] (refused records),
//! [`floor`] (where the search for the oldest record starts).

mod floor;
mod held;
mod lanes;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use resilience::Backoff;
use storage::Lease;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::log::EventLog;
use crate::outbox::Outbox;
use crate::relay::floor::Floor;
use crate::relay::held::Held;
use crate::relay::lanes::Lanes;
use crate::relay_status::RelayStatus;

/// A commit of another process does not wake this relay, so it searches again after this time.
const POLL: Duration = Duration::from_millis(50);
/// A relay that is silent for this time loses its lease to another replica.
const LEASE_TTL: Duration = Duration::from_millis(3_000);
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// The search for other topics' records takes at most this share of the time while a topic cannot be written.
const SEARCH_SHARE: u32 = 10;
const SEARCH_AT_LEAST_EVERY: Duration = Duration::from_secs(2);
/// A service that stops tries for this time to publish its records; the next relay publishes the rest.
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
    /// Ids of records that the event log has acknowledged and the outbox still has.
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
    /// Records of one topic are being published, or failed a moment ago. Those of all other topics are published.
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

    /// How long this relay may be silent before another one takes over. Default: 3 s.
    #[must_use]
    pub fn with_lease_ttl(mut self, ttl: Duration) -> Self {
        self.lease = Lease::new(self.outbox.database().clone(), "relay", ttl);
        self.lease_ttl = ttl;
        self
    }

    /// The relay reports there whether it can publish, for health checks.
    #[must_use]
    pub fn with_status(mut self, status: RelayStatus) -> Self {
        self.status = status;
        self
    }

    /// How often this relay searches for records that other processes committed. Default: 50 ms. Records that this
    /// process commits are published at once.
    #[must_use]
    pub fn with_poll_interval(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Publishes until `stop`, then publishes the rest and returns the lease. Ends within seconds, even if the
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

//! Publishes what the outbox holds, in order, and removes it after the log's acknowledgement.
//!
//! What is published is removed together with what follows soon: a transaction for each batch would cost as much as the
//! transaction that wrote it. A relay that dies before publishes it once more, which readers are used to.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use failpoints::{sabotaged, step};
use storage::Lease;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::log::{EventLog, PublishError, Record};
use crate::outbox::{Outbox, Pending};
use crate::relay_status::RelayStatus;

const BATCH: usize = 512;
/// Another process's commit wakes nobody here, so the relay looks again after this long.
const POLL: Duration = Duration::from_millis(50);
/// How long a relay may be silent before another replica's takes over.
/// Test builds have it die by the hundred, and wait less.
const LEASE_TTL: Duration = Duration::from_millis(if cfg!(feature = "failpoints") { 800 } else { 3_000 });
/// So many published records are removed at once, and fewer in a quiet moment.
const REMOVED_TOGETHER: usize = 64;
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// What the log refuses is offered again after this time: the log's limits may have been changed.
const HELD_AGAIN_AFTER: Duration = Duration::from_secs(60);
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
    held: Held,
    status: RelayStatus,
    /// What is in the log and still in the outbox.
    published: Vec<i64>,
    measured_at: Option<Instant>,
}

/// Records of one key keep their order within their topic.
type Place = (String, String);

/// Behind what records wait, as far as this relay knows.
#[derive(Default)]
struct Held {
    /// `None` until the relay, which has just become the one that publishes, has let go what its predecessor held.
    since: Option<Instant>,
    any: bool,
    places: HashSet<Place>,
}

/// What a relay found to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// A full batch was published; there may be more.
    More,
    /// Everything that was there is published.
    Done,
    /// Another relay publishes.
    NotOurs,
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
            held: Held::default(),
            status: RelayStatus::default(),
            published: Vec::new(),
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
            let turn = self.turn().await;
            if turn == Turn::More {
                continue;
            }
            if last && turn != Turn::Failed && self.remove_published().await.is_ok() {
                return;
            }
            // A failure while stopping is tried again as well: connections of the pool that were opened on the server's own threads
            // have ended with them, and each shows it once. How long, `run` says.
            let pause = if turn == Turn::Failed || last { self.backoff.next_pause() } else { self.poll };
            tokio::select! {
                () = self.outbox.committed(), if turn == Turn::Done => {}
                () = sleep(pause) => {}
                () = stop.cancelled(), if !last => {}
            }
        }
    }

    async fn turn(&mut self) -> Turn {
        match self.publish_batch().await {
            Ok(turn) => {
                if turn != Turn::Failed {
                    self.backoff.succeeded();
                    self.status.succeeded();
                }
                self.measure().await;
                turn
            }
            Err(error) => {
                tracing::warn!(%error, "relay cannot read its outbox; trying again");
                self.status.failed(&error);
                Turn::Failed
            }
        }
    }

    async fn publish_batch(&mut self) -> Result<Turn, sqlx::Error> {
        step!("messaging.relay.before_lease");
        if !self.lease.hold().await? && !sabotaged!("no_lease_check") {
            self.held = Held::default();
            // Its successor publishes them once more, and removes them.
            self.published.clear();
            return Ok(Turn::NotOurs);
        }
        if self.held.is_due() {
            self.outbox.let_go().await?;
            self.held = Held { since: Some(Instant::now()), ..Held::default() };
        }
        step!("messaging.relay.before_read");
        #[cfg(feature = "failpoints")]
        crate::sabotage::publish(self.log.as_ref()).await;
        let mut batch = self.outbox.oldest(BATCH, &self.published).await?;
        if sabotaged!("relay_out_of_order") {
            batch.reverse();
        }
        if batch.is_empty() {
            self.remove_published().await?;
            return Ok(Turn::Done);
        }
        // Reading may have taken long: a relay that lost its lease meanwhile must not publish.
        if !self.lease.is_held() && !sabotaged!("no_lease_check") {
            return Ok(Turn::NotOurs);
        }
        let found = batch.len();
        let (behind, free): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|Pending { record, .. }| self.held.blocks(record));
        let mut held: Vec<i64> = behind.into_iter().map(|pending| pending.id).collect();
        let (ids, records): (Vec<i64>, Vec<Record>) =
            free.into_iter().map(|Pending { id, record }| (id, record)).unzip();

        if sabotaged!("remove_before_publish") {
            self.outbox.remove(&ids).await?;
        }
        step!("messaging.relay.before_publish");
        let known = self.published.len();
        let results = if records.is_empty() { Vec::new() } else { self.publish(&records).await };
        let mut first_error = None;
        for ((id, record), result) in ids.iter().zip(&records).zip(results) {
            match result {
                Ok(()) => self.published.push(*id),
                Err(PublishError::Rejected { reason }) => {
                    tracing::error!(
                        id,
                        topic = record.topic,
                        key = record.key.as_deref(),
                        reason,
                        "the event log refuses a record; it waits, and the later ones of its key with it"
                    );
                    self.held.insert(record);
                    held.push(*id);
                }
                Err(PublishError::Predecessor) if self.held.blocks(record) => held.push(*id),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        let published = self.published.len() - known;
        metrics::counter!("outbox_published_total", "application" => self.application)
            .increment(published as u64);
        if self.published.len() >= REMOVED_TOGETHER {
            self.remove_published().await?;
        }
        self.outbox.hold(&held).await?;
        if let Some(error) = first_error {
            let waiting = ids.len() - published;
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, waiting, "publishing failed; trying again");
            self.status.failed(error);
            return Ok(Turn::Failed);
        }
        Ok(if found == BATCH { Turn::More } else { Turn::Done })
    }

    async fn remove_published(&mut self) -> Result<(), sqlx::Error> {
        if self.published.is_empty() {
            return Ok(());
        }
        step!("messaging.relay.before_remove");
        self.outbox.remove(&self.published).await?;
        step!("messaging.relay.after_remove");
        self.published.clear();
        Ok(())
    }

    /// Publishes, and stays the one who does so however long it takes.
    async fn publish(&mut self, records: &[Record]) -> Vec<Result<(), PublishError>> {
        let mut publishing = self.log.publish(records);
        loop {
            tokio::select! {
                results = &mut publishing => return results,
                () = sleep(self.lease_ttl / 3) => {
                    if let Err(error) = self.lease.hold().await {
                        tracing::debug!(%error, "relay lease not renewed while publishing");
                    }
                }
            }
        }
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
        if let Ok((depth, oldest)) = self.outbox.depth().await {
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

impl Held {
    fn is_due(&self) -> bool {
        self.since.is_none_or(|since| self.any && since.elapsed() >= HELD_AGAIN_AFTER)
    }

    fn insert(&mut self, record: &Record) {
        self.any = true;
        self.places.extend(place(record));
    }

    fn blocks(&self, record: &Record) -> bool {
        // Usually empty: no copy of the names for the question.
        !self.places.is_empty() && place(record).is_some_and(|place| self.places.contains(&place))
    }
}

fn place(record: &Record) -> Option<Place> {
    Some((record.topic.clone(), record.key.clone()?))
}

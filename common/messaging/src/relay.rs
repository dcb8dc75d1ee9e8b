//! Publishes what the outbox holds, in order, and removes it after the log's acknowledgement.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use storage::Lease;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::log::EventLog;
use crate::outbox::{Outbox, Pending};

const BATCH: i64 = 512;
/// Another process's commit wakes nobody here, so the relay looks again after this long.
const POLL: Duration = Duration::from_millis(50);
/// How long a relay may be silent before another replica's takes over.
const LEASE_TTL: Duration = Duration::from_secs(3);
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// How long a stopping service tries to publish what it has committed; the rest is published by the next relay.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

pub struct Relay {
    application: &'static str,
    outbox: Outbox,
    log: Arc<dyn EventLog>,
    lease: Lease,
    backoff: Backoff,
    measured_at: Option<Instant>,
}

impl Relay {
    pub fn new(application: &'static str, outbox: Outbox, log: Arc<dyn EventLog>) -> Self {
        let lease = Lease::new(outbox.database().clone(), "relay", LEASE_TTL);
        Self {
            application,
            outbox,
            log,
            lease,
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(5)),
            measured_at: None,
        }
    }

    /// Relays until `stop`, then publishes what is left and gives the lease back.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.turn().await {
                Turn::Published => continue,
                Turn::Idle => POLL,
                Turn::Failed => self.backoff.next_pause(),
            };
            tokio::select! {
                () = self.outbox.committed(), if pause == POLL => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        let flushed = timeout(FLUSH_LIMIT, async {
            while matches!(self.turn().await, Turn::Published) {}
        });
        if flushed.await.is_err() {
            tracing::warn!("stopped before the outbox was empty; the next relay continues");
        }
        if let Err(error) = self.lease.release().await {
            tracing::debug!(%error, "relay lease not released; it ends by itself");
        }
    }

    async fn turn(&mut self) -> Turn {
        match self.publish_batch().await {
            Ok(turn) => {
                if !matches!(turn, Turn::Failed) {
                    self.backoff.succeeded();
                }
                self.measure().await;
                turn
            }
            Err(error) => {
                tracing::warn!(%error, "relay cannot read its outbox; trying again");
                Turn::Failed
            }
        }
    }

    async fn publish_batch(&mut self) -> Result<Turn, sqlx::Error> {
        if !self.lease.hold().await? {
            return Ok(Turn::Idle);
        }
        let batch = self.outbox.oldest(BATCH).await?;
        if batch.is_empty() {
            return Ok(Turn::Idle);
        }
        // Reading may have taken long: a relay that lost its lease meanwhile must not publish.
        if !self.lease.is_held() {
            return Ok(Turn::Idle);
        }
        let (ids, records): (Vec<i64>, Vec<_>) = batch
            .into_iter()
            .map(|Pending { id, record }| (id, record))
            .unzip();
        let results = self.log.publish(&records).await;

        let mut published = Vec::with_capacity(ids.len());
        let mut first_error = None;
        for (id, result) in ids.iter().zip(results) {
            match result {
                Ok(()) => published.push(*id),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        self.outbox.remove(&published).await?;
        metrics::counter!("outbox_published_total", "application" => self.application)
            .increment(published.len() as u64);
        match first_error {
            None => Ok(Turn::Published),
            Some(error) => {
                tracing::warn!(%error, waiting = records.len() - published.len(), "publishing failed; trying again");
                Ok(Turn::Failed)
            }
        }
    }

    async fn measure(&mut self) {
        if self
            .measured_at
            .is_some_and(|at| at.elapsed() < METRICS_EVERY)
        {
            return;
        }
        self.measured_at = Some(Instant::now());
        if let Ok((depth, oldest)) = self.outbox.depth().await {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let age = oldest.map_or(0.0, |at| (now.as_secs_f64() - at as f64 / 1000.0).max(0.0));
            metrics::gauge!("outbox_depth", "application" => self.application).set(depth as f64);
            metrics::gauge!("outbox_oldest_age_seconds", "application" => self.application)
                .set(age);
        }
    }
}

enum Turn {
    Published,
    Idle,
    Failed,
}

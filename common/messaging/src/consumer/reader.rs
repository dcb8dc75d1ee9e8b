//! The loop: what the log says is settled, taken, measured.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use storage::{Database, Pace};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Consumer;
use super::batch::Applied;
use super::company::Company;
use super::standing::Standing;
use super::verify::Watch;
use crate::backoff::Backoff;
use crate::dead_letters::DeadLetters;
use crate::inbox::Inbox;
use crate::log::{EventLogError, Polled, ReceivedRecord, Subscription};
use crate::mark::Place;
use crate::replay;

const POLL_WAIT: Duration = Duration::from_millis(500);
const REQUESTS_EVERY: Duration = Duration::from_secs(1);
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// A position that moved without effects is stored after this time: it spares a commit a record, and a restart reads
/// no more than this again.
const STORED_AFTER: Duration = Duration::from_secs(1);

/// How far behind we are, by partition.
type Lags = Result<Vec<(i32, i64)>, EventLogError>;

/// A consumer at work.
pub(crate) struct Reader {
    pub(crate) consumer: Consumer,
    pub(super) inbox: Inbox,
    /// What the log has assigned to us.
    pub(super) partitions: HashMap<i32, Standing>,
    /// Of these partitions, by which records the log is recognised.
    pub(super) places: HashMap<i32, Place>,
    pub(super) watch: Watch,
    pub(super) company: Company,
    pub(super) stop: CancellationToken,
    pub(super) backoff: Backoff,
    /// The log was asked how far we are behind.
    lags: Option<JoinHandle<Lags>>,
}

impl Reader {
    pub(super) fn new(consumer: Consumer, stop: CancellationToken, longest_pause: Duration) -> Self {
        Self {
            inbox: Inbox::new(&consumer.topic),
            partitions: HashMap::new(),
            places: HashMap::new(),
            watch: Watch::default(),
            company: Company::default(),
            stop,
            backoff: Backoff::new(Duration::from_millis(50).min(longest_pause), longest_pause),
            lags: None,
            consumer,
        }
    }

    /// # Errors
    /// The subscription is of no use any more.
    pub(super) async fn read(&mut self, subscription: &mut dyn Subscription) -> Result<(), EventLogError> {
        let mut requests_at = Instant::now() + REQUESTS_EVERY;
        let mut metrics_at = Instant::now() + REQUESTS_EVERY;
        let mut wait = POLL_WAIT;
        let mut pace = Pace::new(self.database().commit_delay());
        while !self.stop.is_cancelled() {
            pace.keep().await;
            let polled = tokio::select! {
                polled = subscription.poll(self.consumer.settings.batch, wait) => polled?,
                () = self.stop.cancelled() => break,
            };
            let has_read = matches!(polled, Polled::Records(_));
            match polled {
                Polled::Assigned(partitions) => {
                    for partition in partitions {
                        self.partitions.insert(partition, Standing::unclaimed());
                    }
                }
                Polled::Revoked(partitions) => {
                    for partition in partitions {
                        self.forget(partition);
                    }
                }
                Polled::Records(records) => self.take(subscription, records).await?,
            }
            self.settle(subscription).await?;
            // An assignment says nothing about the log: it may not be readable.
            if has_read && self.all_is_well() {
                self.consumer.status.going();
            }
            wait = POLL_WAIT;
            if Instant::now() >= requests_at {
                if replay::serve_requests(self).await {
                    wait = Duration::ZERO;
                } else {
                    requests_at = Instant::now() + REQUESTS_EVERY;
                }
            }
            if Instant::now() >= metrics_at {
                metrics_at = Instant::now() + METRICS_EVERY;
                self.measure(subscription).await;
            }
            self.show_lags().await;
            self.watch_the_log(subscription).await;
            self.watch_the_group(subscription).await;
            self.store_positions(STORED_AFTER).await;
        }
        self.store_positions(Duration::ZERO).await;
        Ok(())
    }

    async fn take(
        &mut self,
        subscription: &mut dyn Subscription,
        records: Vec<ReceivedRecord>,
    ) -> Result<(), EventLogError> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        let partition = first.partition;
        let Some(position) = self.position(partition) else {
            return Ok(());
        };
        let expected = position.next_offset;
        if first.offset != expected && !self.is_believed(partition, expected, first.offset) {
            return Ok(());
        }
        if let Some(last) = records.last() {
            self.note(partition, last);
        }
        let applied = match self.pass(partition, &records) {
            Some(next_offset) => Applied::Everything(next_offset),
            None => self.apply(partition, &records).await,
        };
        match applied {
            Applied::Everything(next_offset) => {
                if let Err(error) = subscription.commit(partition, next_offset).await {
                    tracing::debug!(%error, "group offset not committed; the position in the database counts");
                }
            }
            Applied::Lost => self.lost(partition),
            Applied::Doubtful => {
                self.doubt(partition);
            }
            Applied::Stopped => {}
        }
        Ok(())
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(crate) fn database(&self) -> &Database {
        self.consumer.outbox.database()
    }

    /// The subscription is gone, and with it what was assigned.
    pub(super) fn forget_partitions(&mut self) {
        for partition in self.partitions.keys().copied().collect::<Vec<_>>() {
            self.forget(partition);
        }
    }

    fn forget(&mut self, partition: i32) {
        self.partitions.remove(&partition);
        self.places.remove(&partition);
        self.lift(partition);
        self.show_lag(partition, 0);
    }

    pub(super) async fn pause(&mut self, error: &impl Display) {
        let pause = self.backoff.next_pause();
        self.consumer.status.stall(error);
        tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "consumer cannot go on; trying again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn measure(&mut self, subscription: &mut dyn Subscription) {
        if self.lags.is_none() {
            self.lags = Some(tokio::spawn(subscription.lag()));
        }
        if let Ok((dead, waiting)) = DeadLetters::new(self.database().clone()).count().await {
            let application = self.consumer.group;
            for (status, count) in [("dead", dead), ("waiting", waiting)] {
                metrics::gauge!("dead_letters", "application" => application, "status" => status)
                    .set(count as f64);
            }
        }
    }

    /// What the log has answered, once it has.
    async fn show_lags(&mut self) {
        let Some(asked) = self.lags.take_if(|asked| asked.is_finished()) else { return };
        for (partition, lag) in asked.await.map(Result::unwrap_or_default).unwrap_or_default() {
            // Somebody else shows those that are no longer ours.
            if self.partitions.contains_key(&partition) {
                self.show_lag(partition, lag);
            }
        }
    }

    fn show_lag(&self, partition: i32, lag: i64) {
        let application = self.consumer.group;
        metrics::gauge!("consumer_lag_records", "application" => application, "partition" => partition.to_string())
            .set(lag as f64);
    }
}

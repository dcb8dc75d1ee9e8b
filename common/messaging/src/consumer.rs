//! The consumer loop: batches of records, one transaction a batch, and the position with it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::FutureExt;
use serde::Deserialize;
use storage::{Database, Tx};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::dead_letters::{self, DeadLetters};
use crate::handler::{HandleError, Handler};
use crate::inbox::Inbox;
use crate::log::{EventLog, EventLogError, Polled, ReceivedRecord, Subscription};
use crate::outbox::Outbox;
use crate::replay;
use crate::set_aside::dead_letter_record;

const POLL_WAIT: Duration = Duration::from_millis(500);
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(1);

/// `[consumer]`: how a service reads the topic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerSettings {
    /// Most records in one transaction.
    pub batch: usize,
    /// How often a record that fails for reasons of its own is tried before it is set aside.
    pub attempts: u32,
    /// The longest pause between attempts while the database or the log is away.
    pub longest_backoff_ms: u64,
}

impl ConsumerSettings {
    /// # Errors
    /// One line that names the key.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=10_000).contains(&self.batch) {
            return Err(format!(
                "consumer.batch: {} is not within 1..=10000",
                self.batch
            ));
        }
        if self.attempts == 0 {
            return Err("consumer.attempts: must be at least 1".into());
        }
        Ok(())
    }
}

/// Since when the consumer cannot go on because the database or the log is away.
#[derive(Clone, Default)]
pub struct ConsumerStatus {
    stalled: Arc<Mutex<Option<(Instant, String)>>>,
}

impl ConsumerStatus {
    /// How long nothing went on, and why.
    pub fn stalled(&self) -> Option<(Duration, String)> {
        let stalled = self
            .stalled
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        stalled
            .as_ref()
            .map(|(since, why)| (since.elapsed(), why.clone()))
    }

    fn going(&self) {
        *self
            .stalled
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    fn stall(&self, why: &impl std::fmt::Display) {
        let mut stalled = self
            .stalled
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let since = stalled
            .as_ref()
            .map_or_else(Instant::now, |(since, _)| *since);
        *stalled = Some((since, why.to_string()));
    }
}

/// Reads a topic as one member of a group, and applies its records through a [`Handler`].
pub struct Consumer {
    pub group: &'static str,
    pub topic: String,
    pub outbox: Outbox,
    pub log: Arc<dyn EventLog>,
    pub handler: Arc<dyn Handler>,
    pub settings: ConsumerSettings,
    pub status: ConsumerStatus,
}

/// A consumer at work: its claims on partitions, and where it stands in each.
pub(crate) struct Reader {
    pub(crate) consumer: Consumer,
    inbox: Inbox,
    /// Partition -> next offset, as it stands in the database.
    positions: HashMap<i32, i64>,
    /// Partition -> the position it was last asked to go back to.
    rewound: HashMap<i32, i64>,
    stop: CancellationToken,
    backoff: Backoff,
}

/// Why a transaction did not commit.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The partition belongs to another replica.
    Lost,
    /// Nobody's fault: database or log are away.
    Unavailable(sqlx::Error),
    /// The record at this offset can never be applied.
    Record { offset: i64, reason: String },
    /// Some record of the batch is to blame; which one shows when they are tried one by one.
    Unattributed(String),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        if storage::is_unavailable(&error) {
            Self::Unavailable(error)
        } else {
            Self::Unattributed(error.to_string())
        }
    }
}

struct Verdict {
    reason: String,
    attempts: u32,
}

impl Consumer {
    /// Reads until `stop`. What is in hand is finished; what is not committed comes again.
    pub async fn run(self, stop: CancellationToken) {
        let longest = Duration::from_millis(self.settings.longest_backoff_ms.max(1));
        let mut reader = Reader {
            inbox: Inbox::new(&self.topic),
            positions: HashMap::new(),
            rewound: HashMap::new(),
            stop,
            backoff: Backoff::new(Duration::from_millis(50).min(longest), longest),
            consumer: self,
        };
        while !reader.stop.is_cancelled() {
            match reader
                .consumer
                .log
                .subscribe(&reader.consumer.topic, reader.consumer.group)
                .await
            {
                Ok(mut subscription) => {
                    if let Err(error) = reader.read(subscription.as_mut()).await {
                        reader.pause(&error).await;
                    }
                    reader.positions.clear();
                }
                Err(error) => reader.pause(&error).await,
            }
        }
    }
}

impl Reader {
    async fn read(&mut self, subscription: &mut dyn Subscription) -> Result<(), EventLogError> {
        let mut housekeeping = tokio::time::Instant::now();
        while !self.stop.is_cancelled() {
            let polled = tokio::select! {
                polled = subscription.poll(self.consumer.settings.batch, POLL_WAIT) => polled?,
                () = self.stop.cancelled() => return Ok(()),
            };
            match polled {
                Polled::Assigned(partitions) => {
                    for partition in partitions {
                        self.claim(partition).await;
                    }
                }
                Polled::Revoked(partitions) => {
                    for partition in partitions {
                        self.positions.remove(&partition);
                    }
                }
                Polled::Records(records) => self.take(subscription, records).await?,
            }
            if housekeeping.elapsed() >= HOUSEKEEPING_EVERY {
                housekeeping = tokio::time::Instant::now();
                replay::serve_requests(self).await;
                self.measure(subscription).await;
            }
        }
        Ok(())
    }

    /// Writes our name into the partition's row, however long the database is away.
    async fn claim(&mut self, partition: i32) {
        while !self.stop.is_cancelled() {
            match self.inbox.claim(self.database(), partition).await {
                Ok(next_offset) => {
                    self.consumer.status.going();
                    self.backoff.succeeded();
                    self.positions.insert(partition, next_offset);
                    tracing::info!(partition, next_offset, "partition assigned");
                    return;
                }
                Err(error) => self.pause(&error).await,
            }
        }
    }

    async fn take(
        &mut self,
        subscription: &mut dyn Subscription,
        mut records: Vec<ReceivedRecord>,
    ) -> Result<(), EventLogError> {
        let Some(partition) = records.first().map(|r| r.partition) else {
            return Ok(());
        };
        let Some(&expected) = self.positions.get(&partition) else {
            return Ok(());
        };
        // The database says less than the log's own memory of the group, after a restored backup for instance.
        if records[0].offset > expected && self.rewind(subscription, &records[0], expected).await? {
            return Ok(());
        }
        records.retain(|record| record.offset >= expected);
        if records.is_empty() {
            return Ok(());
        }
        match self.apply(partition, &records).await {
            Some(next_offset) => {
                if let Err(error) = subscription.commit(partition, next_offset).await {
                    tracing::debug!(%error, "group offset not committed; the position in the database counts");
                }
            }
            None => {
                self.positions.remove(&partition);
            }
        }
        Ok(())
    }

    /// True if the log goes back to `expected`. False where the offsets in between do not exist
    /// (transaction markers, retention), which shows in the log's giving the same record again.
    async fn rewind(
        &mut self,
        subscription: &mut dyn Subscription,
        first: &ReceivedRecord,
        expected: i64,
    ) -> Result<bool, EventLogError> {
        let asked_before = self.rewound.insert(first.partition, expected) == Some(expected);
        if asked_before {
            return Ok(false);
        }
        subscription.seek(first.partition, expected).await?;
        Ok(true)
    }

    /// Commits the records' effects, however many transactions it takes. The next offset, or `None` if the
    /// partition was lost or the service stops.
    async fn apply(&mut self, partition: i32, records: &[ReceivedRecord]) -> Option<i64> {
        let mut verdicts: BTreeMap<i64, Verdict> = BTreeMap::new();
        let mut one_by_one = false;
        let mut failures = 0;
        let mut rest = records;
        while !rest.is_empty() {
            let batch = if one_by_one { &rest[..1] } else { rest };
            let first = &batch[0];
            match self.transact(partition, batch, &verdicts).await {
                Ok(next_offset) => {
                    self.positions.insert(partition, next_offset);
                    self.consumer.status.going();
                    self.backoff.succeeded();
                    failures = 0;
                    rest = &rest[batch.len()..];
                }
                Err(Failed::Lost) => {
                    tracing::info!(partition, "partition lost; its new owner continues");
                    return None;
                }
                Err(Failed::Unavailable(error)) => {
                    self.pause(&error).await;
                    if self.stop.is_cancelled() {
                        return None;
                    }
                }
                Err(Failed::Record { offset, reason }) => {
                    verdicts.insert(
                        offset,
                        Verdict {
                            reason,
                            attempts: 1,
                        },
                    );
                }
                Err(Failed::Unattributed(_)) if batch.len() > 1 => one_by_one = true,
                Err(Failed::Unattributed(reason)) => {
                    failures += 1;
                    if failures >= self.consumer.settings.attempts {
                        verdicts.insert(
                            first.offset,
                            Verdict {
                                reason,
                                attempts: failures,
                            },
                        );
                        failures = 0;
                    } else {
                        tokio::time::sleep(self.backoff.next_pause()).await;
                    }
                }
            }
        }
        self.positions.get(&partition).copied()
    }

    async fn transact(
        &self,
        partition: i32,
        batch: &[ReceivedRecord],
        verdicts: &BTreeMap<i64, Verdict>,
    ) -> Result<i64, Failed> {
        let mut tx = self.database().begin().await?;
        let next_offset = batch[batch.len() - 1].offset + 1;
        self.guard(&mut tx, partition, Some(next_offset)).await?;

        let topic = &self.consumer.topic;
        let mut blocked: HashSet<String> = dead_letters::blocked_keys(&mut tx, topic, partition)
            .await?
            .into_iter()
            .collect();
        let mut live = Vec::with_capacity(batch.len());
        for record in batch {
            let key = record.record.key.as_ref();
            if let Some(verdict) = verdicts.get(&record.offset) {
                self.set_aside(&mut tx, record, verdict).await?;
                blocked.extend(key.cloned());
            } else if key.is_some_and(|key| blocked.contains(key)) {
                dead_letters::wait_behind(&mut tx, record).await?;
            } else {
                live.push(record.clone());
            }
        }
        self.handle(&mut tx, &live).await?;
        self.consumer.outbox.commit(tx).await?;
        self.consumer.handler.committed();
        metrics::counter!("consumer_records_total", "application" => self.consumer.group)
            .increment(batch.len() as u64);
        Ok(next_offset)
    }

    /// Locks the partition's row for `tx`; with `to`, moves the position there.
    pub(crate) async fn guard(
        &self,
        tx: &mut Tx,
        partition: i32,
        to: Option<i64>,
    ) -> Result<(), Failed> {
        let from = *self.positions.get(&partition).ok_or(Failed::Lost)?;
        if self
            .inbox
            .advance(tx, partition, from, to.unwrap_or(from))
            .await?
        {
            Ok(())
        } else {
            Err(Failed::Lost)
        }
    }

    pub(crate) async fn handle(
        &self,
        tx: &mut Tx,
        records: &[ReceivedRecord],
    ) -> Result<(), Failed> {
        if records.is_empty() {
            return Ok(());
        }
        // A handler that panics must not take the consumer with it: the record is set aside like any that fails.
        match AssertUnwindSafe(self.consumer.handler.handle(tx, records))
            .catch_unwind()
            .await
        {
            Ok(Ok(())) => Ok(()),
            Ok(Err(HandleError::Record { index, reason })) => Err(match records.get(index) {
                Some(record) => Failed::Record {
                    offset: record.offset,
                    reason,
                },
                None => Failed::Unattributed(reason),
            }),
            Ok(Err(HandleError::Database(error))) => Err(error.into()),
            Err(_) => Err(Failed::Unattributed("the handler panicked".into())),
        }
    }

    async fn set_aside(
        &self,
        tx: &mut Tx,
        record: &ReceivedRecord,
        verdict: &Verdict,
    ) -> Result<(), Failed> {
        let attempts = i32::try_from(verdict.attempts).unwrap_or(i32::MAX);
        tracing::warn!(
            partition = record.partition,
            offset = record.offset,
            key = record.record.key.as_deref(),
            reason = %verdict.reason,
            attempts,
            "record set aside as a dead letter"
        );
        dead_letters::set_aside(tx, record, &verdict.reason, attempts).await?;
        let copy = dead_letter_record(record, self.consumer.group, &verdict.reason, attempts);
        self.consumer.outbox.append(tx, &[copy]).await?;
        Ok(())
    }

    pub(crate) fn database(&self) -> &Database {
        self.consumer.outbox.database()
    }

    pub(crate) fn owns(&self, partition: i32) -> bool {
        self.positions.contains_key(&partition)
    }

    async fn pause(&mut self, error: &impl std::fmt::Display) {
        let pause = self.backoff.next_pause();
        self.consumer.status.stall(error);
        tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "consumer cannot go on; trying again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn measure(&self, subscription: &mut dyn Subscription) {
        let application = self.consumer.group;
        if let Ok(lags) = subscription.lag().await {
            for (partition, lag) in lags {
                metrics::gauge!("consumer_lag_records", "application" => application, "partition" => partition.to_string())
                    .set(lag as f64);
            }
        }
        if let Ok((dead, waiting)) = DeadLetters::new(self.database().clone()).count().await {
            for (status, count) in [("dead", dead), ("waiting", waiting)] {
                metrics::gauge!("dead_letters", "application" => application, "status" => status)
                    .set(count as f64);
            }
        }
    }
}

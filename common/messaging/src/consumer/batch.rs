//! Records become effects: a batch, a transaction, the position with it.

use std::any::Any;
use std::collections::{BTreeMap, HashSet};
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use storage::{StoreError, Tx, sql};
use tokio::time::Instant;

use super::Reader;
use super::traced::Handling;
use crate::dead_letters::{self, Aside, Verdict};
use crate::handler::HandleError;
use crate::log::ReceivedRecord;
use crate::set_aside::dead_letter_record;

/// Where we stand in a partition that is ours.
pub(crate) struct Position {
    pub(crate) next_offset: i64,
    /// As it stands in the database; less than `next_offset` where the records between were no concern of ours.
    pub(super) stored: i64,
    /// Since when it is less.
    pub(super) ahead_since: Option<Instant>,
    /// The keys whose later records wait. `None`: to be read; nobody else changes them while the partition is ours.
    pub(crate) blocked: Option<HashSet<String>>,
    /// The last transaction failed because something is away.
    pub(super) retrying: bool,
    /// The log, asked for `next_offset`, gave a later record; it was looked at, and asked again.
    pub(super) asked_again: bool,
}

impl Position {
    pub(super) fn at(next_offset: i64) -> Self {
        Self {
            next_offset,
            stored: next_offset,
            ahead_since: None,
            blocked: None,
            retrying: false,
            asked_again: false,
        }
    }
}

/// How far a batch came.
pub(super) enum Applied {
    /// All of it; this is the next offset.
    Everything(i64),
    /// The partition belongs to another replica.
    Lost,
    /// Something is away, and whether the last transaction was committed is not known.
    Doubtful,
    /// The service stops. What is not applied comes again.
    Stopped,
}

/// Why a transaction did not commit.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The partition belongs to another replica.
    Lost,
    /// Nobody's fault: database or log are away.
    Unavailable(StoreError),
    /// The records at these offsets can never be applied.
    Records(Vec<(i64, String)>),
    /// Some record of the batch is to blame; which one shows when they are tried one by one.
    Unattributed(String),
}

impl Failed {
    /// Of a statement in which records had a hand.
    fn of_records(error: impl Into<StoreError>) -> Self {
        let error = error.into();
        if error.is_unavailable() { Self::Unavailable(error) } else { Self::Unattributed(error.to_string()) }
    }
}

/// Of our own statements: no record has a hand in them, so no record is to blame.
impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

/// How many records one statement sets aside.
const LARGEST_GROUP: usize = 64;
/// Of one batch, how many bad records the log names. All of them are in the table.
const LOGGED: usize = 10;

impl Reader {
    /// Goes past records that are no concern of ours, without a transaction; the next offset if it could. After a
    /// crash they are read, and passed, again.
    pub(super) fn pass(&mut self, partition: i32, records: &[ReceivedRecord]) -> Option<i64> {
        let handler = self.consumer.handler.clone();
        let next_offset = records.last()?.offset + 1;
        let position = self.position(partition)?;
        let concerns =
            |received: &ReceivedRecord| !received.record.says_nothing() && handler.concerns(received);
        let nobody_waits = position.blocked.as_ref().is_some_and(HashSet::is_empty);
        if !nobody_waits || position.retrying || records.iter().any(concerns) {
            return None;
        }
        position.next_offset = next_offset;
        position.asked_again = false;
        position.ahead_since.get_or_insert_with(Instant::now);
        metrics::counter!("consumer_records_total", "application" => self.consumer.group)
            .increment(records.len() as u64);
        self.report_tombstones(records);
        Some(next_offset)
    }

    /// Stores the position that [`pass`](Self::pass) left in memory.
    pub(super) async fn catch_up_stored(&mut self, partition: i32) -> Result<(), Failed> {
        let Some(next_offset) = self.position(partition).map(|position| position.next_offset) else {
            return Ok(());
        };
        let mut tx = self.database().begin().await?;
        self.guard(&mut tx, partition, Some(next_offset)).await?;
        tx.commit().await?;
        if let Some(position) = self.position(partition) {
            position.stored = next_offset;
            position.ahead_since = None;
        }
        Ok(())
    }

    /// Commits the records' effects, however many transactions it takes.
    pub(super) async fn apply(&mut self, partition: i32, records: &[ReceivedRecord]) -> Applied {
        let mut verdicts: BTreeMap<i64, Verdict> = BTreeMap::new();
        let mut one_by_one = false;
        let mut failures = 0;
        let mut rest = records;
        while let Some(first) = rest.first() {
            let batch = if one_by_one { &rest[..1] } else { rest };
            let handling = Handling::of(&self.consumer.topic, batch);
            let transacted = self.transact(partition, batch, &verdicts).await;
            if let Err(failed) = &transacted {
                handling.failed(|| format!("{failed:?}"));
            }
            drop(handling);
            match transacted {
                Ok(()) => {
                    failures = 0;
                    rest = &rest[batch.len()..];
                }
                Err(Failed::Lost) => return Applied::Lost,
                Err(Failed::Unavailable(error)) => {
                    self.pause(&error).await;
                    return Applied::Doubtful;
                }
                Err(Failed::Records(bad)) => {
                    verdicts.extend(
                        bad.into_iter().map(|(offset, reason)| (offset, Verdict { reason, attempts: 1 })),
                    );
                }
                Err(Failed::Unattributed(_)) if batch.len() > 1 => one_by_one = true,
                Err(Failed::Unattributed(reason)) => {
                    failures += 1;
                    if failures >= self.consumer.settings.attempts {
                        let attempts = i32::try_from(failures).unwrap_or(i32::MAX);
                        verdicts.insert(first.offset, Verdict { reason, attempts });
                        failures = 0;
                        continue;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(self.backoff.next_pause()) => {}
                        () = self.stop.cancelled() => return Applied::Stopped,
                    }
                }
            }
        }
        self.position(partition).map_or(Applied::Lost, |position| Applied::Everything(position.next_offset))
    }

    async fn transact(
        &mut self,
        partition: i32,
        batch: &[ReceivedRecord],
        verdicts: &BTreeMap<i64, Verdict>,
    ) -> Result<(), Failed> {
        let next_offset = batch[batch.len() - 1].offset + 1;
        let mut tx = self.database().begin().await?;
        self.guard(&mut tx, partition, Some(next_offset)).await?;
        let known = self.position(partition).and_then(|position| position.blocked.take());
        let mut blocked = match known {
            Some(blocked) => blocked,
            None => dead_letters::blocked_keys(&mut tx, &self.consumer.topic, partition).await?,
        };
        match self.write(&mut tx, batch, verdicts, &blocked).await {
            Ok(newly_blocked) => blocked.extend(newly_blocked),
            Err(failed) => {
                // The transaction is rolled back, so the keys are what they were. Reading them again for each bad
                // record would cost the more the more bad ones there were before.
                if let Some(position) = self.position(partition) {
                    position.blocked = Some(blocked);
                }
                return Err(failed);
            }
        }
        self.consumer.outbox.commit(tx).await.map_err(Failed::of_records)?;
        self.backoff.succeeded();
        self.consumer.status.going();
        if let Some(position) = self.position(partition) {
            *position = Position { blocked: Some(blocked), ..Position::at(next_offset) };
        }
        self.consumer.handler.committed();
        metrics::counter!("consumer_records_total", "application" => self.consumer.group)
            .increment(batch.len() as u64);
        self.report_tombstones(batch);
        Ok(())
    }

    /// They are passed: they need no place in the order of their key, and are no reason to hold anything back.
    fn report_tombstones(&self, records: &[ReceivedRecord]) {
        let mut tombstones = records.iter().filter(|received| received.record.says_nothing());
        let Some(first) = tombstones.next() else { return };
        let count = 1 + tombstones.count();
        metrics::counter!("consumer_tombstones_total", "application" => self.consumer.group)
            .increment(count as u64);
        tracing::warn!(
            partition = first.partition,
            offset = first.offset,
            key = first.record.key.as_deref(),
            count,
            "records without a value passed: somebody writes tombstones into the topic"
        );
    }

    /// Writes the effects of a batch, and sets aside what cannot have any. The keys that are blocked from here on.
    async fn write(
        &self,
        tx: &mut Tx,
        batch: &[ReceivedRecord],
        verdicts: &BTreeMap<i64, Verdict>,
        blocked: &HashSet<String>,
    ) -> Result<HashSet<String>, Failed> {
        let mut newly_blocked = HashSet::new();
        if verdicts.is_empty() && blocked.is_empty() {
            self.handle(tx, batch).await?;
            return Ok(newly_blocked);
        }
        let mut live = Vec::with_capacity(batch.len());
        let mut aside = Vec::new();
        for received in batch {
            let key = received.record.key.as_ref();
            if received.record.says_nothing() {
                continue;
            }
            if let Some(verdict) = verdicts.get(&received.offset) {
                aside.push(Aside { received, verdict: Some(verdict) });
                newly_blocked.extend(key.cloned());
            } else if key.is_some_and(|key| blocked.contains(key) || newly_blocked.contains(key)) {
                aside.push(Aside { received, verdict: None });
            } else {
                live.push(received.clone());
            }
        }
        // First: where it fails, nothing was set aside in vain.
        self.handle(tx, &live).await?;
        self.set_aside(tx, &aside).await?;
        Ok(newly_blocked)
    }

    /// Locks the partition's row for `tx`; with `to`, moves the position there.
    pub(crate) async fn guard(&mut self, tx: &mut Tx, partition: i32, to: Option<i64>) -> Result<(), Failed> {
        let from = self.position(partition).ok_or(Failed::Lost)?.stored;
        let mark = self.places.get(&partition).and_then(|place| place.mark.as_ref());
        if self.inbox.advance(tx, partition, from, to.unwrap_or(from), mark).await? {
            Ok(())
        } else {
            Err(Failed::Lost)
        }
    }

    pub(crate) async fn handle(&self, tx: &mut Tx, records: &[ReceivedRecord]) -> Result<(), Failed> {
        let speaking: Vec<ReceivedRecord>;
        let records = if records.iter().any(|received| received.record.says_nothing()) {
            speaking = records.iter().filter(|received| !received.record.says_nothing()).cloned().collect();
            speaking.as_slice()
        } else {
            records
        };
        if records.is_empty() {
            return Ok(());
        }
        // A handler that panics must not take the consumer with it: the record is set aside like any that fails.
        let handled = AssertUnwindSafe(self.consumer.handler.handle(tx, records)).catch_unwind().await;
        match handled {
            Ok(Ok(())) => Ok(()),
            Ok(Err(HandleError::Records(bad))) => {
                let bad: Vec<(i64, String)> = bad
                    .into_iter()
                    .filter_map(|bad| Some((records.get(bad.index)?.offset, bad.reason)))
                    .collect();
                Err(match bad.is_empty() {
                    true => Failed::Unattributed("the handler names no record of the batch".to_owned()),
                    false => Failed::Records(bad),
                })
            }
            Ok(Err(HandleError::Database(error))) => Err(Failed::of_records(error)),
            Err(panic) => Err(Failed::Unattributed(format!("the handler panicked: {}", text_of(&*panic)))),
        }
    }

    /// Few statements, whatever the number of records.
    async fn set_aside(&self, tx: &mut Tx, aside: &[Aside<'_>]) -> Result<(), Failed> {
        let mut logged = 0;
        for group in sql::chunks(aside, LARGEST_GROUP) {
            let mut copies = Vec::new();
            for Aside { received, verdict } in group {
                let Some(verdict) = verdict else { continue };
                logged += 1;
                if logged <= LOGGED {
                    tracing::warn!(
                        partition = received.partition,
                        offset = received.offset,
                        key = received.record.key.as_deref(),
                        reason = %verdict.reason,
                        attempts = verdict.attempts,
                        "record set aside as a dead letter"
                    );
                }
                copies.push(dead_letter_record(
                    received,
                    self.consumer.group,
                    &verdict.reason,
                    verdict.attempts,
                ));
            }
            dead_letters::set_aside(tx, group).await?;
            self.consumer.outbox.append(tx, &copies).await?;
        }
        if logged > LOGGED {
            tracing::warn!(records = logged, "records set aside as dead letters; only the first were named");
        }
        Ok(())
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

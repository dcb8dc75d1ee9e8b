//! Records become effects: a batch, a transaction, the position with it.

use std::collections::{BTreeMap, HashSet};
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use storage::Tx;
use tokio::time::Instant;

use super::partition::{Applied, Failed, Position};
use super::reader::Reader;
use super::traced::Handling;
use crate::dead_letters::{self, Aside, Verdict};
use crate::handler::{self, HandleError, Handler, Reading};
use crate::log::ReceivedRecord;
use crate::panic_text::text_of;

impl<H: Handler> Reader<H> {
    /// What the records ask for, or why they cannot be read.
    pub(super) fn read_all(&self, records: &[ReceivedRecord]) -> Vec<Reading<H::Instruction>> {
        records.iter().map(|received| handler::read(&*self.consumer.handler, received)).collect()
    }

    /// Goes past records that are no concern of ours, without a transaction; the next offset if it could. After a
    /// crash they are read, and passed, again.
    pub(super) fn pass(
        &mut self,
        partition: i32,
        records: &[ReceivedRecord],
        readings: &[Reading<H::Instruction>],
    ) -> Option<i64> {
        let next_offset = records.last()?.offset + 1;
        let position = self.position(partition)?;
        let nobody_waits = position.blocked.as_ref().is_some_and(HashSet::is_empty);
        let is_nothing = |reading: &Reading<_>| matches!(reading, Reading::Nothing);
        if !nobody_waits || position.retrying || !readings.iter().all(is_nothing) {
            return None;
        }
        position.next_offset = next_offset;
        position.asked_again = false;
        position.ahead_since.get_or_insert_with(Instant::now);
        metrics::counter!("consumer_records_total", "application" => self.consumer.group, "topic" => self.consumer.topic.clone())
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
    pub(super) async fn apply(
        &mut self,
        partition: i32,
        records: &[ReceivedRecord],
        readings: Vec<Reading<H::Instruction>>,
    ) -> Applied {
        let mut readings = Some(readings);
        let mut verdicts: BTreeMap<i64, Verdict> = BTreeMap::new();
        let mut one_by_one = false;
        let mut failures = 0;
        let mut rest = records;
        while let Some(first) = rest.first() {
            let batch = if one_by_one { &rest[..1] } else { rest };
            let handling = Handling::of(&self.consumer.topic, batch);
            // A transaction uses them up. Records that are tried again are read again.
            let readings = readings.take().unwrap_or_else(|| self.read_all(batch));
            let transacted = self.transact(partition, batch, readings, &verdicts).await;
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
        readings: Vec<Reading<H::Instruction>>,
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
        match self.write(&mut tx, batch, readings, verdicts, &blocked).await {
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
        tx.commit().await.map_err(Failed::of_records)?;
        self.backoff.succeeded();
        self.consumer.status.going();
        if let Some(position) = self.position(partition) {
            *position = Position { blocked: Some(blocked), ..Position::at(next_offset) };
        }
        self.consumer.handler.committed();
        metrics::counter!("consumer_records_total", "application" => self.consumer.group, "topic" => self.consumer.topic.clone())
            .increment(batch.len() as u64);
        self.report_tombstones(batch);
        Ok(())
    }

    /// They are passed: they need no place in the order of their key, and are no reason to hold anything back.
    fn report_tombstones(&self, records: &[ReceivedRecord]) {
        let mut tombstones = records.iter().filter(|received| received.record.says_nothing());
        let Some(first) = tombstones.next() else { return };
        let count = 1 + tombstones.count();
        metrics::counter!("consumer_tombstones_total", "application" => self.consumer.group, "topic" => self.consumer.topic.clone())
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
        readings: Vec<Reading<H::Instruction>>,
        verdicts: &BTreeMap<i64, Verdict>,
        blocked: &HashSet<String>,
    ) -> Result<HashSet<String>, Failed> {
        let mut newly_blocked = HashSet::new();
        let mut instructions = Vec::with_capacity(batch.len());
        let mut offsets = Vec::with_capacity(batch.len());
        let mut aside = Vec::new();
        for (received, reading) in std::iter::zip(batch, readings) {
            if received.record.says_nothing() {
                continue;
            }
            let key = received.record.key.as_ref();
            let waits = key.is_some_and(|key| blocked.contains(key));
            let verdict = match (verdicts.get(&received.offset), &reading) {
                (Some(verdict), _) => Some(verdict.clone()),
                (None, Reading::Unreadable(reason)) if !waits => {
                    Some(Verdict { reason: reason.clone(), attempts: 1 })
                }
                _ => None,
            };
            if verdict.is_some() {
                aside.push(Aside { received, verdict });
                newly_blocked.extend(key.cloned());
            } else if waits || key.is_some_and(|key| newly_blocked.contains(key)) {
                aside.push(Aside { received, verdict: None });
            } else if let Reading::Instruction(instruction) = reading {
                instructions.push(instruction);
                offsets.push(received.offset);
            }
        }
        // First: where it fails, nothing was set aside in vain.
        self.instruct(tx, instructions, &offsets).await?;
        self.set_aside(tx, &aside).await?;
        Ok(newly_blocked)
    }

    /// Locks the partition's row for `tx`; with `to`, moves the position there.
    pub(super) async fn guard(&mut self, tx: &mut Tx, partition: i32, to: Option<i64>) -> Result<(), Failed> {
        let from = self.position(partition).ok_or(Failed::Lost)?.stored;
        let mark = self.places.get(&partition).and_then(|place| place.mark.as_ref());
        if self.inbox.advance(tx, partition, from, to.unwrap_or(from), mark).await? {
            Ok(())
        } else {
            Err(Failed::Lost)
        }
    }

    /// The effect of one record.
    pub(super) async fn handle_one(&self, tx: &mut Tx, received: &ReceivedRecord) -> Result<(), Failed> {
        match handler::read(&*self.consumer.handler, received) {
            Reading::Nothing => Ok(()),
            Reading::Unreadable(reason) => Err(Failed::Records(vec![(received.offset, reason)])),
            Reading::Instruction(instruction) => {
                self.instruct(tx, vec![instruction], &[received.offset]).await
            }
        }
    }

    /// Has instructions applied whose records have these offsets.
    async fn instruct(
        &self,
        tx: &mut Tx,
        instructions: Vec<H::Instruction>,
        offsets: &[i64],
    ) -> Result<(), Failed> {
        if instructions.is_empty() {
            return Ok(());
        }
        // A handler that panics must not take the consumer with it: the record is set aside like any that fails.
        let applied = AssertUnwindSafe(self.consumer.handler.apply(tx, instructions)).catch_unwind().await;
        match applied {
            Ok(Ok(())) => Ok(()),
            Ok(Err(HandleError::Instructions(bad))) => {
                let bad: Vec<(i64, String)> =
                    bad.into_iter().filter_map(|bad| Some((*offsets.get(bad.index)?, bad.reason))).collect();
                Err(match bad.is_empty() {
                    true => Failed::Unattributed("the handler names no record of the batch".to_owned()),
                    false => Failed::Records(bad),
                })
            }
            Ok(Err(HandleError::Database(error))) => Err(Failed::of_records(error)),
            Err(panic) => Err(Failed::Unattributed(text_of(&*panic))),
        }
    }
}

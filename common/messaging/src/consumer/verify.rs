//! Is it the log that was read? Asked when a partition becomes ours, when the log says something unexpected, and now and
//! then; what is not the log that was read is not read on.

use std::time::Duration;

use tokio::time::Instant;

use super::partition::{CLAIM_AGAIN_AFTER, Position, Standing};
use super::reader::{Looking, Reader};
use crate::handler::Handler;
use crate::log::{EventLogError, PartitionView, ReceivedRecord, Subscription};
use crate::mark::{Mark, NotOurLog, Place, Verdict};

/// A topic that is deleted and created again may go unnoticed by the client, if the new one is soon as long as the old one.
const WATCH_EVERY: Duration = Duration::from_secs(10);

impl<H: Handler> Reader<H> {
    /// Takes the claimed partitions on, those of them whose log is the one that was read.
    pub(super) async fn verify(
        &mut self,
        subscription: &mut dyn Subscription,
        claimed: Vec<(i32, Place)>,
    ) -> Result<(), EventLogError> {
        let views = match subscription.look(offsets(&claimed)).await {
            Ok(views) => views,
            Err(error) => {
                self.pause(&error).await;
                return Ok(());
            }
        };
        for (partition, place) in claimed {
            let Some(view) = views.iter().find(|view| view.partition == partition) else { continue };
            match place.judge(view) {
                Verdict::Other(why) => self.stop_reading(partition, place, &why),
                // It only has grown: that proves nothing.
                Verdict::Same { proven: false, .. } if self.is_stopped_at(partition, &place) => {
                    let due = Instant::now() + CLAIM_AGAIN_AFTER;
                    self.partitions.insert(partition, Standing::Stopped { due, place });
                }
                Verdict::Same { proven, anchor_gone } => {
                    self.take_on(subscription, view, place, proven, anchor_gone).await?;
                }
            }
        }
        Ok(())
    }

    async fn take_on(
        &mut self,
        subscription: &mut dyn Subscription,
        view: &PartitionView,
        mut place: Place,
        proven: bool,
        anchor_gone: bool,
    ) -> Result<(), EventLogError> {
        let (partition, next_offset) = (view.partition, place.next_offset);
        tracing::info!(topic = self.consumer.topic, partition, next_offset, "partition assigned");
        let mut position = Position::at(next_offset);
        if let Some(Standing::Unclaimed { about_gap, .. }) = self.partitions.get(&partition) {
            position.asked_again = *about_gap;
        }
        if place.mark.is_none() && next_offset > 0 {
            tracing::info!(
                partition,
                next_offset,
                "which log was read is not known from before; this one is taken to be it"
            );
            place.mark = view.records.iter().find(|record| record.offset == next_offset - 1).map(Mark::of);
            position.ahead_since = place.mark.is_some().then(Instant::now);
        } else if !proven {
            tracing::warn!(
                partition,
                next_offset,
                "the records that were read are no longer in the log: whether it is the same log cannot be told"
            );
        }
        if anchor_gone {
            place.anchor = None;
            if let Err(error) = self.inbox.forget_anchor(self.database(), partition).await {
                tracing::debug!(%error, partition, "a record that is no longer in the log is still remembered");
            }
        }
        subscription.seek(partition, next_offset).await?;
        self.lift(partition);
        self.places.insert(partition, place);
        self.partitions.insert(partition, Standing::Ours(position));
        Ok(())
    }

    fn stop_reading(&mut self, partition: i32, place: Place, why: &NotOurLog) {
        if !self.is_stopped_at(partition, &place) {
            tracing::error!(
                topic = self.consumer.topic,
                "{why}; nothing of it is read until that log is back, or an operator says `begin-anew`"
            );
        }
        self.consumer.status.stall(why);
        self.consumer.status.stop(partition, why);
        self.show_stop(partition, 1.0, why.deleted_unread() as f64);
        let due = Instant::now() + CLAIM_AGAIN_AFTER;
        self.partitions.insert(partition, Standing::Stopped { due, place });
    }

    pub(super) fn lift(&self, partition: i32) {
        self.consumer.status.lift(partition);
        self.show_stop(partition, 0.0, 0.0);
    }

    fn show_stop(&self, partition: i32, stopped: f64, deleted: f64) {
        let labels = [
            ("application", self.consumer.group.to_owned()),
            ("topic", self.consumer.topic.clone()),
            ("partition", partition.to_string()),
        ];
        metrics::gauge!("consumer_stopped", &labels).set(stopped);
        metrics::gauge!("consumer_deleted_unread_records", &labels).set(deleted);
    }

    fn is_stopped_at(&self, partition: i32, here: &Place) -> bool {
        matches!(self.partitions.get(&partition), Some(Standing::Stopped { place, .. }) if place == here)
    }

    /// The log gave another record than the one that was asked for. False: it has to be looked at first, and asked again.
    pub(super) fn is_believed(&mut self, partition: i32, expected: i64, found: i64) -> bool {
        let Some(position) = self.position(partition) else { return false };
        if found > expected && position.asked_again {
            // It was looked at: what is before `found` was not deleted from the log's beginning.
            let offsets = found - expected;
            tracing::info!(
                partition,
                expected,
                found,
                "offsets without records: a transaction's markers and aborted records, or compaction"
            );
            metrics::counter!("consumer_offsets_without_record_total", "application" => self.consumer.group, "topic" => self.consumer.topic.clone())
                .increment(offsets.unsigned_abs());
            return true;
        }
        let about_gap = found > expected;
        self.partitions.insert(partition, Standing::Unclaimed { due: Instant::now(), about_gap });
        false
    }

    /// The log is recognised by this record, if it becomes part of the position.
    pub(super) fn note(&mut self, partition: i32, last: &ReceivedRecord) {
        let mark = Mark::of(last);
        let place = self.places.entry(partition).or_default();
        place.anchor.get_or_insert_with(|| mark.clone());
        place.mark = Some(mark);
    }

    /// Looks at the log while records are handled, and doubts the partitions whose log has become another one.
    pub(super) async fn watch_the_log(&mut self, subscription: &mut dyn Subscription) {
        if let Some(looked) = self.watch.looking.take_if(|looking| looking.answer.is_finished()) {
            if let Ok(Ok(views)) = looked.answer.await {
                self.doubt_others(&looked.places, &views);
            }
            return;
        }
        let due = self.watch.last.is_none_or(|last| last.elapsed() >= WATCH_EVERY);
        if !due || self.watch.looking.is_some() {
            return;
        }
        self.watch.last = Some(Instant::now());
        let ours: Vec<i32> = self.partitions.keys().copied().collect();
        let places: Vec<(i32, Place)> = ours
            .into_iter()
            .filter_map(|partition| {
                let next_offset = self.position(partition)?.next_offset;
                let place = self.places.get(&partition)?.clone();
                Some((partition, Place { next_offset, ..place }))
            })
            .collect();
        if !places.is_empty() {
            let answer = tokio::spawn(subscription.look(offsets(&places)));
            self.watch.looking = Some(Looking { places, answer });
        }
    }

    fn doubt_others(&mut self, places: &[(i32, Place)], views: &[PartitionView]) {
        for (partition, place) in places {
            let view = views.iter().find(|view| view.partition == *partition);
            let other = view.is_some_and(|view| matches!(place.judge(view), Verdict::Other(_)));
            if other && self.position(*partition).is_some() {
                self.partitions.insert(*partition, Standing::unclaimed());
            }
        }
    }
}

fn offsets(places: &[(i32, Place)]) -> Vec<(i32, Vec<i64>)> {
    places.iter().map(|(partition, place)| (*partition, place.offsets())).collect()
}

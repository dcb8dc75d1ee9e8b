//! One turn of the relay: it takes the results of calls, holds refused records, and sends the others.

use std::collections::HashSet;
use std::error::Error;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, sleep};

use super::floor::Floor;
use super::held::Held;
use super::lanes::{Lanes, Sent};
use super::{Relay, Turn};
use crate::log::{PublishError, Record, Refusal};
use crate::outbox::Pending;

const BATCH: usize = 512;
/// The relay deletes this many published records at once, and fewer in a quiet moment.
const REMOVED_TOGETHER: usize = 64;
/// Other topics wait at most this long for a slow topic, such as one without a leader.
const PATIENCE: Duration = Duration::from_millis(200);

impl Relay {
    /// `last`: the service stops, and leaves the held records to the next relay.
    pub(super) async fn turn(&mut self, last: bool) -> Turn {
        match self.publish_batch(last).await {
            Ok(turn) => {
                self.backoff.succeeded();
                if !self.lanes.any_busy() {
                    self.status.succeeded();
                }
                self.measure().await;
                turn
            }
            Err(error) => {
                tracing::warn!(%error, "relay cannot read its outbox; trying again");
                self.doubt(&error);
                Turn::Failed
            }
        }
    }

    async fn publish_batch(&mut self, last: bool) -> Result<Turn, sqlx::Error> {
        if !self.lease.hold().await? {
            self.stand_back();
            return Ok(Turn::NotOurs);
        }
        while let Some(Some(sent)) = self.lanes.next().now_or_never() {
            self.settle(sent).await?;
        }
        if !self.held.is_loaded() {
            // What is in the log does not count.
            self.remove_published().await?;
            self.held.load(&self.outbox).await?;
            self.status.holding(self.held.rows(), None);
        }
        let batch = self.search().await?;
        // Reading may have taken long: a relay that lost its lease meanwhile must not publish.
        if !self.lease.is_held() {
            return Ok(Turn::NotOurs);
        }
        if !last && let Some(portion) = self.held.portion(&self.outbox, &self.published).await? {
            self.lanes.offer(&self.log, portion);
        }
        if batch.is_empty() {
            self.remove_published().await?;
            return Ok(if self.lanes.any_busy() { Turn::Busy } else { Turn::Done });
        }
        let found = batch.len();
        let (behind, free): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|Pending { record, .. }| self.held.blocks(record));
        self.hold(&behind).await?;
        if !free.is_empty() {
            self.lanes.send(&self.log, free);
            self.wait_for_lanes().await?;
        }
        Ok(if found == BATCH {
            Turn::More
        } else if self.lanes.any_busy() {
            Turn::Busy
        } else {
            Turn::Done
        })
    }

    /// The oldest records of the topics that can be written.
    async fn search(&mut self) -> Result<Vec<Pending>, sqlx::Error> {
        if let Err(error) = self.floor.look(&self.outbox).await {
            tracing::debug!(%error, "who inserts into the outbox is not known; the search begins where it did");
        }
        let began = Instant::now();
        let busy = self.lanes.busy();
        let from = self.floor.id();
        let batch = self.outbox.oldest(BATCH, from, &self.published, &busy).await?;
        self.searched_for = began.elapsed();
        if busy.is_empty() {
            self.floor.searched(batch.first().map(|pending| pending.id));
            if batch.len() < BATCH {
                self.lanes.all_there_is(&batch);
            }
        }
        Ok(batch)
    }

    /// Another relay has the lease. It will publish again what is being published here, and delete it.
    fn stand_back(&mut self) {
        self.lanes = Lanes::default();
        self.held = Held::default();
        self.floor = Floor::default();
        self.published.clear();
        self.status.holding(0, None);
    }

    /// Waits for the calls: usually for all of them, but not long for a slow topic.
    async fn wait_for_lanes(&mut self) -> Result<(), sqlx::Error> {
        let patience = sleep(PATIENCE.min(self.lease_ttl / 3));
        tokio::pin!(patience);
        while self.lanes.any_fresh_under_way() {
            tokio::select! {
                Some(sent) = self.lanes.next() => self.settle(sent).await?,
                () = &mut patience => break,
            }
        }
        Ok(())
    }

    pub(super) async fn settle_or_doubt(&mut self, sent: Sent) {
        if let Err(error) = self.settle(sent).await {
            tracing::warn!(%error, "relay cannot write its outbox; trying again");
            self.doubt(&error);
        }
    }

    /// The database failed: records that could not be marked as held are read again, and those under way are sent again.
    fn doubt(&mut self, error: &sqlx::Error) {
        self.status.failed(error);
        self.lanes = Lanes::default();
        self.held = Held::default();
    }

    /// Applies the results of a call.
    async fn settle(&mut self, sent: Sent) -> Result<(), sqlx::Error> {
        let Sent { topic, ids, records, results } = sent;
        let was_held = topic.is_none();
        let total = ids.len();
        let mut published = 0;
        let mut refused_keys = HashSet::new();
        let mut to_hold = Vec::new();
        let mut first_error = None;
        let mut why = None;
        for ((id, record), result) in ids.into_iter().zip(records).zip(results) {
            match result {
                Ok(()) => {
                    published += 1;
                    self.published.push(id);
                    if was_held {
                        self.held.published(&record);
                    }
                }
                Err(PublishError::Refused(refusal)) => {
                    self.held.refused(&record, &refusal);
                    why = Some(refusal.to_string());
                    if was_held {
                        tracing::debug!(id, topic = record.topic, %refusal, "still refused");
                        continue;
                    }
                    self.report(id, &record, &refusal);
                    refused_keys.extend(record.key.clone());
                    to_hold.push(Pending { id, record });
                }
                Err(PublishError::Predecessor)
                    if !was_held && record.key.as_ref().is_some_and(|key| refused_keys.contains(key)) =>
                {
                    to_hold.push(Pending { id, record });
                }
                Err(error) => {
                    let is_only_behind = matches!(error, PublishError::Predecessor);
                    if !(was_held && is_only_behind) {
                        first_error.get_or_insert(error);
                    }
                }
            }
        }
        metrics::counter!("outbox_published_total", "application" => self.application)
            .increment(published as u64);
        match &topic {
            Some(topic) => self.lanes.ended(topic, first_error.is_some()),
            None => self.held.came_back(first_error.is_some()),
        }
        if let Some(error) = &first_error {
            let error = error as &dyn Error;
            let waiting = total - published - to_hold.len();
            tracing::warn!(error, topic, waiting, "publishing failed; trying again");
            self.status.failed(error);
        }
        self.hold(&to_hold).await?;
        if was_held || why.is_some() {
            self.status.holding(self.held.rows(), why);
        }
        if was_held || self.published.len() >= REMOVED_TOGETHER {
            self.remove_published().await?;
        }
        Ok(())
    }

    fn report(&self, id: i64, record: &Record, refusal: &Refusal) {
        let kind = record.headers.iter().find(|(name, _)| name == "type");
        tracing::error!(
            id,
            topic = record.topic,
            key = record.key.as_deref(),
            r#type = kind.and_then(|(_, value)| str::from_utf8(value).ok()),
            code = refusal.code,
            reason = refusal.reason,
            "the event log refuses a record; it waits, and the later ones of its key with it"
        );
        let labels = [("application", self.application.to_owned()), ("code", refusal.code.clone())];
        metrics::counter!("outbox_refused_total", &labels).increment(1);
    }

    async fn hold(&mut self, records: &[Pending]) -> Result<(), sqlx::Error> {
        if records.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = records.iter().map(|pending| pending.id).collect();
        self.outbox.hold(&ids).await?;
        for Pending { record, .. } in records {
            self.held.add(record);
        }
        self.status.holding(self.held.rows(), None);
        Ok(())
    }

    pub(super) async fn remove_published(&mut self) -> Result<(), sqlx::Error> {
        if self.published.is_empty() {
            return Ok(());
        }
        self.outbox.remove(&self.published).await?;
        self.published.clear();
        Ok(())
    }
}

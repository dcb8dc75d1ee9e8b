//! The loop: partitions come and go, and the database says where to read on in each.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use failpoints::step;
use storage::Database;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Consumer;
use super::batch::{Applied, Failed, Position};
use crate::backoff::Backoff;
use crate::dead_letters::DeadLetters;
use crate::inbox::Inbox;
use crate::log::{EventLogError, Polled, ReceivedRecord, Subscription};
use crate::replay;

const POLL_WAIT: Duration = Duration::from_millis(500);
const REQUESTS_EVERY: Duration = Duration::from_secs(1);
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// A partition that somebody else has claimed is usually revoked in a moment. If it is not, nobody else is reading
/// it (he claimed it when it was ours already), and it is claimed again.
const CLAIM_AGAIN_AFTER: Duration = Duration::from_secs(3);
/// A position that moved without effects is stored after this time: it spares a commit a record, and a restart reads
/// no more than this again.
const STORED_AFTER: Duration = Duration::from_secs(1);

/// A consumer at work.
pub(crate) struct Reader {
    pub(crate) consumer: Consumer,
    pub(super) inbox: Inbox,
    /// What the log has assigned to us.
    partitions: HashMap<i32, Standing>,
    pub(super) stop: CancellationToken,
    pub(super) backoff: Backoff,
}

/// What we know of a partition that the log has assigned to us.
enum Standing {
    /// The row in the database is not ours. To be claimed at this time.
    Unclaimed {
        due: Instant,
    },
    /// The last transaction, which began at this offset, ended in a way that tells nothing.
    Doubtful {
        from: i64,
    },
    /// The log ends before what we have read: it is not the log that we read. To be looked at again at this time.
    BehindTheEnd {
        due: Instant,
    },
    Ours(Position),
}

impl Reader {
    pub(super) fn new(consumer: Consumer, stop: CancellationToken, longest_pause: Duration) -> Self {
        Self {
            inbox: Inbox::new(&consumer.topic),
            partitions: HashMap::new(),
            stop,
            backoff: Backoff::new(Duration::from_millis(50).min(longest_pause), longest_pause),
            consumer,
        }
    }

    /// # Errors
    /// The subscription is of no use any more.
    pub(super) async fn read(&mut self, subscription: &mut dyn Subscription) -> Result<(), EventLogError> {
        let mut requests_at = Instant::now() + REQUESTS_EVERY;
        let mut metrics_at = Instant::now() + REQUESTS_EVERY;
        let mut wait = POLL_WAIT;
        while !self.stop.is_cancelled() {
            let polled = tokio::select! {
                polled = subscription.poll(self.consumer.settings.batch, wait) => polled?,
                () = self.stop.cancelled() => break,
            };
            match polled {
                Polled::Assigned(partitions) => {
                    for partition in partitions {
                        self.partitions.insert(partition, Standing::Unclaimed { due: Instant::now() });
                    }
                }
                Polled::Revoked(partitions) => {
                    for partition in partitions {
                        self.partitions.remove(&partition);
                        self.show_lag(partition, 0);
                    }
                }
                Polled::Records(records) => self.take(subscription, records).await?,
            }
            self.settle(subscription).await?;
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
            self.store_positions(STORED_AFTER).await;
        }
        self.store_positions(Duration::ZERO).await;
        Ok(())
    }

    /// Claims what is to be claimed and finds out what is in doubt. While the database is away the log is still
    /// polled, so that we stay in the group; what it delivers meanwhile is read again, from where the database says.
    async fn settle(&mut self, subscription: &mut dyn Subscription) -> Result<(), EventLogError> {
        let now = Instant::now();
        let open: Vec<i32> =
            self.partitions.iter().filter(|(_, s)| s.is_open(now)).map(|(number, _)| *number).collect();
        for partition in open {
            match self.find_position(partition).await {
                Ok(Some(position)) => {
                    if !self.is_in_the_log(subscription, partition, &position).await {
                        continue;
                    }
                    subscription.seek(partition, position.next_offset).await?;
                    self.partitions.insert(partition, Standing::Ours(position));
                }
                Ok(None) => self.lost(partition),
                Err(error) => {
                    self.pause(&error).await;
                    return Ok(());
                }
            }
        }
        let is_well = |standing: &Standing| match standing {
            Standing::Ours(position) => !position.retrying,
            Standing::Unclaimed { due } => *due > now,
            Standing::Doubtful { .. } | Standing::BehindTheEnd { .. } => false,
        };
        if self.partitions.values().all(is_well) {
            self.consumer.status.going();
        }
        Ok(())
    }

    /// Whoever reads on in a log that is shorter than what was read goes past everything that is written until it is as
    /// long again.
    async fn is_in_the_log(
        &mut self,
        subscription: &mut dyn Subscription,
        partition: i32,
        position: &Position,
    ) -> bool {
        let read_up_to = position.next_offset;
        if read_up_to == 0 {
            return true;
        }
        match subscription.end(partition).await {
            Ok(end) if end >= read_up_to => true,
            Ok(end) => {
                let reason = format!(
                    "partition {partition} of the log ends at {end}, and was read up to {read_up_to}: \
                     the log was lost or replaced"
                );
                tracing::error!(
                    "{reason}; nothing is read until it is restored, or inbox_position is set back"
                );
                self.consumer.status.stall(&reason);
                let due = Instant::now() + CLAIM_AGAIN_AFTER;
                self.partitions.insert(partition, Standing::BehindTheEnd { due });
                false
            }
            Err(error) => {
                self.pause(&error).await;
                false
            }
        }
    }

    async fn find_position(&mut self, partition: i32) -> Result<Option<Position>, sqlx::Error> {
        match self.partitions.get(&partition) {
            Some(Standing::Doubtful { from }) => {
                let from = *from;
                let next_offset = self.inbox.position(self.database(), partition).await?;
                Ok(next_offset.map(|next_offset| {
                    let committed = next_offset > from;
                    if committed {
                        self.consumer.handler.committed();
                    }
                    Position { retrying: !committed, ..Position::at(next_offset) }
                }))
            }
            _ => {
                step!("messaging.consumer.before_claim");
                let next_offset = self.inbox.claim(self.database(), partition).await?;
                step!("messaging.consumer.after_claim");
                tracing::info!(partition, next_offset, "partition assigned");
                self.backoff.succeeded();
                Ok(Some(Position::at(next_offset)))
            }
        }
    }

    async fn take(
        &mut self,
        subscription: &mut dyn Subscription,
        mut records: Vec<ReceivedRecord>,
    ) -> Result<(), EventLogError> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        step!("messaging.consumer.polled");
        let partition = first.partition;
        let Some(position) = self.position(partition) else {
            return Ok(());
        };
        let expected = position.next_offset;
        if first.offset > expected {
            // Asked once more before it is believed: what is jumped over is lost.
            if !std::mem::replace(&mut position.asked_again, true) {
                return subscription.seek(partition, expected).await;
            }
            tracing::warn!(partition, expected, found = first.offset, "records are no longer in the log");
        }
        records.retain(|record| record.offset >= expected);
        let applied = match self.pass(partition, &records) {
            Some(next_offset) => Applied::Everything(next_offset),
            None => self.apply(partition, &records).await,
        };
        match applied {
            Applied::Everything(next_offset) => {
                step!("messaging.consumer.before_acknowledgement");
                if let Err(error) = subscription.commit(partition, next_offset).await {
                    tracing::debug!(%error, "group offset not committed; the position in the database counts");
                }
                step!("messaging.consumer.after_acknowledgement");
            }
            Applied::Lost => self.lost(partition),
            Applied::Doubtful => {
                self.doubt(partition);
            }
            Applied::Stopped => {}
        }
        Ok(())
    }

    /// Stores the positions that have been ahead of the database for so long.
    async fn store_positions(&mut self, ahead_for: Duration) {
        let ahead = |standing: &Standing| match standing {
            Standing::Ours(position) => {
                position.ahead_since.is_some_and(|since| since.elapsed() >= ahead_for)
            }
            _ => false,
        };
        let due: Vec<i32> =
            self.partitions.iter().filter(|(_, s)| ahead(s)).map(|(number, _)| *number).collect();
        for partition in due {
            match self.catch_up_stored(partition).await {
                Ok(()) => {}
                Err(Failed::Lost) => self.lost(partition),
                Err(failed) => {
                    self.doubt(partition);
                    tracing::debug!(partition, ?failed, "position not stored");
                    return;
                }
            }
        }
    }

    fn doubt(&mut self, partition: i32) {
        if let Some(from) = self.position(partition).map(|position| position.stored) {
            self.partitions.insert(partition, Standing::Doubtful { from });
        }
    }

    fn lost(&mut self, partition: i32) {
        tracing::info!(partition, "partition claimed by somebody else");
        let due = Instant::now() + CLAIM_AGAIN_AFTER;
        self.partitions.insert(partition, Standing::Unclaimed { due });
    }

    /// Where we stand in a partition that is ours.
    pub(crate) fn position(&mut self, partition: i32) -> Option<&mut Position> {
        match self.partitions.get_mut(&partition) {
            Some(Standing::Ours(position)) => Some(position),
            _ => None,
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(crate) fn database(&self) -> &Database {
        self.consumer.outbox.database()
    }

    /// The subscription is gone, and with it what was assigned.
    pub(super) fn forget_partitions(&mut self) {
        self.partitions.clear();
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

    async fn measure(&self, subscription: &mut dyn Subscription) {
        // The log may take its time to answer, or to say that it cannot.
        let lags = tokio::select! {
            lags = subscription.lag() => lags.unwrap_or_default(),
            () = self.stop.cancelled() => return,
        };
        for (partition, lag) in lags {
            self.show_lag(partition, lag);
        }
        if let Ok((dead, waiting)) = DeadLetters::new(self.database().clone()).count().await {
            let application = self.consumer.group;
            for (status, count) in [("dead", dead), ("waiting", waiting)] {
                metrics::gauge!("dead_letters", "application" => application, "status" => status)
                    .set(count as f64);
            }
        }
    }

    fn show_lag(&self, partition: i32, lag: i64) {
        let application = self.consumer.group;
        metrics::gauge!("consumer_lag_records", "application" => application, "partition" => partition.to_string())
            .set(lag as f64);
    }
}

impl Standing {
    fn is_open(&self, now: Instant) -> bool {
        match self {
            Self::Unclaimed { due } | Self::BehindTheEnd { due } => *due <= now,
            Self::Doubtful { .. } => true,
            Self::Ours(_) => false,
        }
    }
}

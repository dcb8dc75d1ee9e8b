//! Where we stand in each partition, and whether it is ours.

use std::time::Duration;

use failpoints::step;
use tokio::time::Instant;

use super::Reader;
use super::batch::{Failed, Position};
use crate::log::{EventLogError, Subscription};

/// A partition that somebody else has claimed is usually revoked in a moment. If it is not, nobody else is reading
/// it (he claimed it when it was ours already), and it is claimed again.
const CLAIM_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// What we know of a partition that the log has assigned to us.
pub(super) enum Standing {
    /// The row in the database is not ours. To be claimed at this time.
    Unclaimed {
        due: Instant,
    },
    /// The last transaction, which began at this offset, ended in a way that tells nothing.
    Doubtful {
        from: i64,
    },
    /// The log ends before what we have read: it is not the log that we read. To be looked at again at this time.
    BeyondTheEnd {
        due: Instant,
    },
    Ours(Position),
}

impl Reader {
    /// Claims what is to be claimed and finds out what is in doubt. While the database is away the log is still
    /// polled, so that we stay in the group; what it delivers meanwhile is read again, from where the database says.
    pub(super) async fn settle(&mut self, subscription: &mut dyn Subscription) -> Result<(), EventLogError> {
        let now = Instant::now();
        let open: Vec<i32> =
            self.partitions.iter().filter(|(_, s)| s.is_open(now)).map(|(number, _)| *number).collect();
        for partition in open {
            match self.find_position(partition).await {
                Ok(Some(position)) => {
                    let claimed = !matches!(self.partitions.get(&partition), Some(Standing::Doubtful { .. }));
                    if claimed && !self.is_in_the_log(subscription, partition, &position).await {
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
        Ok(())
    }

    pub(super) fn all_is_well(&self) -> bool {
        let now = Instant::now();
        self.partitions.values().all(|standing| match standing {
            Standing::Ours(position) => !position.retrying,
            Standing::Unclaimed { due } => *due > now,
            Standing::Doubtful { .. } | Standing::BeyondTheEnd { .. } => false,
        })
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
                self.partitions.insert(partition, Standing::BeyondTheEnd { due });
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

    /// Stores the positions that have been ahead of the database for so long.
    pub(super) async fn store_positions(&mut self, ahead_for: Duration) {
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

    pub(super) fn doubt(&mut self, partition: i32) {
        if let Some(from) = self.position(partition).map(|position| position.stored) {
            self.partitions.insert(partition, Standing::Doubtful { from });
        }
    }

    pub(super) fn lost(&mut self, partition: i32) {
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
}

impl Standing {
    fn is_open(&self, now: Instant) -> bool {
        match self {
            Self::Unclaimed { due } | Self::BeyondTheEnd { due } => *due <= now,
            Self::Doubtful { .. } => true,
            Self::Ours(_) => false,
        }
    }
}

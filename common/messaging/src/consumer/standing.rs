//! Where we stand in each partition, and whether it is ours.

use std::time::Duration;

use tokio::time::Instant;

use super::Reader;
use super::batch::{Failed, Position};
use crate::log::{EventLogError, Subscription};
use crate::mark::Place;

/// A partition that somebody else has claimed is usually revoked in a moment. If it is not, nobody else is reading
/// it (he claimed it when it was ours already), and it is claimed again.
pub(super) const CLAIM_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// What we know of a partition that the log has assigned to us.
pub(super) enum Standing {
    /// The row in the database is not ours, or the log is to be looked at. To be claimed at this time.
    Unclaimed {
        due: Instant,
        /// The log gave a later record than it was asked for.
        about_gap: bool,
    },
    /// The last transaction, which began at this offset, ended in a way that tells nothing.
    Doubtful {
        from: i64,
    },
    /// The log is not the one that was read up to this place. To be looked at again at this time.
    Stopped {
        due: Instant,
        place: Place,
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
        let mut claimed = Vec::new();
        for partition in open {
            let settled = match self.partitions.get(&partition) {
                Some(Standing::Doubtful { from }) => {
                    let from = *from;
                    match self.resolve(partition, from).await {
                        Ok(Some(position)) => {
                            subscription.seek(partition, position.next_offset).await?;
                            self.partitions.insert(partition, Standing::Ours(position));
                            Ok(())
                        }
                        Ok(None) => {
                            self.lost(partition);
                            Ok(())
                        }
                        Err(error) => Err(error),
                    }
                }
                _ => self.claim(partition).await.map(|place| claimed.push((partition, place))),
            };
            if let Err(error) = settled {
                self.pause(&error).await;
                return Ok(());
            }
        }
        if !claimed.is_empty() {
            self.verify(subscription, claimed).await?;
        }
        Ok(())
    }

    pub(super) fn all_is_well(&self) -> bool {
        let now = Instant::now();
        self.partitions.values().all(|standing| match standing {
            Standing::Ours(position) => !position.retrying,
            Standing::Unclaimed { due, .. } => *due > now,
            Standing::Doubtful { .. } | Standing::Stopped { .. } => false,
        })
    }

    async fn claim(&mut self, partition: i32) -> Result<Place, sqlx::Error> {
        let place = self.inbox.claim(self.database(), partition).await?;
        self.backoff.succeeded();
        Ok(place)
    }

    /// Whether the transaction that began at `from` was committed, if the partition is still ours.
    async fn resolve(&mut self, partition: i32, from: i64) -> Result<Option<Position>, sqlx::Error> {
        let place = self.inbox.position(self.database(), partition).await?;
        Ok(place.map(|Place { next_offset, .. }| {
            let committed = next_offset > from;
            if committed {
                self.consumer.handler.committed();
            }
            Position { retrying: !committed, ..Position::at(next_offset) }
        }))
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
        self.partitions.insert(partition, Standing::Unclaimed { due, about_gap: false });
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
    pub(super) fn unclaimed() -> Self {
        Self::Unclaimed { due: Instant::now(), about_gap: false }
    }

    fn is_open(&self, now: Instant) -> bool {
        match self {
            Self::Unclaimed { due, .. } | Self::Stopped { due, .. } => *due <= now,
            Self::Doubtful { .. } => true,
            Self::Ours(_) => false,
        }
    }
}

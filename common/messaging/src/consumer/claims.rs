//! Partitions are claimed and lost.

use std::time::Duration;

use tokio::time::Instant;

use super::partition::{Failed, Position, Standing};
use super::reader::Reader;
use crate::handler::Handler;
use crate::log::{EventLogError, Subscription};
use crate::mark::Place;

impl<H: Handler> Reader<H> {
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
}

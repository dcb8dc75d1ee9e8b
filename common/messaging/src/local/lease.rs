//! Which subscriber of a group reads: whoever holds the group's row.
//!
//! The row counts beats. Its holder adds one every [`BEAT`]; a contender who has watched the same number for
//! [`STALE`], by its own monotonic clock, takes the row over. No clock is compared with another one. A holder that
//! could not beat for [`FENCE`] (a stopped process, a stuck disk) delivers nothing until it has seen that the row is
//! still its own; `FENCE` is shorter than `STALE`, so whoever took over is alone.

use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnection;
use tokio::sync::watch;

use super::transaction;

pub(super) const BEAT: Duration = unit(3);
pub(super) const FENCE: Duration = unit(8);
const STALE: Duration = unit(12);

/// Quarters of a second.
const fn unit(n: u64) -> Duration {
    Duration::from_millis(n * 250)
}

/// What a subscription knows of its lease.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ownership {
    Waiting,
    Held {
        /// Counts how often this subscriber got the lease: lost and won back is not the same as kept.
        term: u64,
        /// When the row was last seen to be ours; taken before asking.
        confirmed: Instant,
    },
}

/// A subscription, as the driver sees it.
pub(super) struct Member {
    pub(super) id: String,
    pub(super) topic: String,
    pub(super) group: String,
    pub(super) ownership: watch::Sender<Ownership>,
    pub(super) terms: u64,
    /// What a contender saw: holder, beat, and since when.
    pub(super) observed: Option<(String, i64, Instant)>,
}

impl Member {
    pub(super) fn holds(&self) -> bool {
        matches!(*self.ownership.borrow(), Ownership::Held { .. })
    }

    /// One step: the holder beats, a contender looks.
    pub(super) async fn step(&mut self, file: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let asked = Instant::now();
        let ownership = *self.ownership.borrow();
        if let Ownership::Held { term, .. } = ownership {
            self.ownership_after_beat(file, term, asked).await
        } else if self.contend(file).await? {
            self.terms += 1;
            self.observed = None;
            self.ownership.send_replace(Ownership::Held { term: self.terms, confirmed: asked });
            Ok(())
        } else {
            Ok(())
        }
    }

    async fn ownership_after_beat(
        &self,
        file: &mut SqliteConnection,
        term: u64,
        confirmed: Instant,
    ) -> Result<(), sqlx::Error> {
        let ours = sqlx::query(
            "UPDATE lease SET beat = beat + 1 WHERE topic = $1 AND member_group = $2 AND holder = $3",
        )
        .bind(&self.topic)
        .bind(&self.group)
        .bind(&self.id)
        .execute(file)
        .await?
        .rows_affected();
        self.ownership.send_replace(if ours == 1 {
            Ownership::Held { term, confirmed }
        } else {
            Ownership::Waiting
        });
        Ok(())
    }

    /// Tries to get the row. Reads first: those who wait do not write all the time.
    async fn contend(&mut self, file: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let row: Option<(String, i64)> =
            sqlx::query_as("SELECT holder, beat FROM lease WHERE topic = $1 AND member_group = $2")
                .bind(&self.topic)
                .bind(&self.group)
                .fetch_optional(&mut *file)
                .await?;
        let Some((holder, beat)) = row else {
            return self.insert(file).await;
        };
        match &self.observed {
            Some((h, b, since)) if *h == holder && *b == beat => {
                if since.elapsed() < STALE {
                    return Ok(false);
                }
            }
            _ => {
                self.observed = Some((holder, beat, Instant::now()));
                return Ok(false);
            }
        }
        self.take_over(file, &holder, beat).await
    }

    async fn insert(&self, file: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let done = sqlx::query(
            "INSERT INTO lease (topic, member_group, holder, beat) VALUES ($1, $2, $3, 0) \
             ON CONFLICT DO NOTHING",
        )
        .bind(&self.topic)
        .bind(&self.group)
        .bind(&self.id)
        .execute(file)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn take_over(
        &self,
        file: &mut SqliteConnection,
        holder: &str,
        beat: i64,
    ) -> Result<bool, sqlx::Error> {
        let done = sqlx::query(
            "UPDATE lease SET holder = $1, beat = beat + 1 \
             WHERE topic = $2 AND member_group = $3 AND holder = $4 AND beat = $5",
        )
        .bind(&self.id)
        .bind(&self.topic)
        .bind(&self.group)
        .bind(holder)
        .bind(beat)
        .execute(file)
        .await?;
        if done.rows_affected() == 1 {
            tracing::info!(
                topic = self.topic,
                group = self.group,
                former = holder,
                "took over from a subscriber that no longer gives signs of life"
            );
        }
        Ok(done.rows_affected() == 1)
    }
}

/// Writes how far groups are and gives leases back, in one transaction.
pub(super) async fn write_positions(
    file: &mut SqliteConnection,
    positions: impl Iterator<Item = (&(String, String), &i64)>,
    released: &[Member],
) -> Result<(), sqlx::Error> {
    transaction::begin(file).await?;
    let written = write_all(file, positions, released).await;
    transaction::end(file, written).await
}

async fn write_all(
    file: &mut SqliteConnection,
    positions: impl Iterator<Item = (&(String, String), &i64)>,
    released: &[Member],
) -> Result<(), sqlx::Error> {
    for ((topic, group), next) in positions {
        sqlx::query(
            "INSERT INTO group_position (topic, member_group, next_position) VALUES ($1, $2, $3) \
             ON CONFLICT (topic, member_group) DO UPDATE SET next_position = excluded.next_position",
        )
        .bind(topic)
        .bind(group)
        .bind(next)
        .execute(&mut *file)
        .await?;
    }
    for member in released {
        sqlx::query("DELETE FROM lease WHERE topic = $1 AND member_group = $2 AND holder = $3")
            .bind(&member.topic)
            .bind(&member.group)
            .bind(&member.id)
            .execute(&mut *file)
            .await?;
    }
    Ok(())
}

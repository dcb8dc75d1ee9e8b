use std::time::{Duration, Instant};

use crate::database::Database;

/// One holder at a time for a named duty in a database, without a clock that two machines would have to share.
///
/// The holder increments `beat`; a contender that saw the same beat for the whole `ttl`, by its own
/// monotonic clock, takes over by compare-and-set. So a clock that jumps hurts nothing. The table is
/// `lease (name primary key, holder, beat)`.
///
/// A holder that was stopped for longer than `ttl` may act once more before it notices. Whatever is done under a
/// lease must therefore be harmless when it is done twice; the lease keeps that rare, not impossible.
pub struct Lease {
    database: Database,
    name: String,
    holder: String,
    ttl: Duration,
    observed: Option<Observed>,
    renewed_at: Option<Instant>,
}

struct Observed {
    holder: String,
    beat: i64,
    since: Instant,
}

impl Lease {
    /// `ttl` is how long a holder may be silent before another takes over.
    pub fn new(database: Database, name: impl Into<String>, ttl: Duration) -> Self {
        Self {
            database,
            name: name.into(),
            holder: uuid::Uuid::new_v4().to_string(),
            ttl,
            observed: None,
            renewed_at: None,
        }
    }

    /// True while the last renewal is so recent that no other holder can have taken over.
    pub fn is_held(&self) -> bool {
        self.renewed_at.is_some_and(|at| at.elapsed() < self.ttl * 2 / 3)
    }

    /// Renews the lease if it is ours and due, takes it if it is free or its holder fell silent.
    ///
    /// # Errors
    /// The database's.
    pub async fn hold(&mut self) -> Result<bool, sqlx::Error> {
        if self.renewed_at.is_some_and(|at| at.elapsed() < self.ttl / 3) {
            return Ok(true);
        }
        // Taken before the statement is sent: the lease counts from when we asked, not from when we heard.
        let asked_at = Instant::now();
        if self.renewed_at.is_some() && self.renew().await? {
            self.renewed_at = Some(asked_at);
            return Ok(true);
        }
        self.renewed_at = None;
        if self.contend().await? {
            self.renewed_at = Some(asked_at);
            return Ok(true);
        }
        Ok(false)
    }

    /// Gives the lease back, so that the next holder need not wait.
    ///
    /// # Errors
    /// The database's; the lease then ends by itself after its `ttl`.
    pub async fn release(&mut self) -> Result<(), sqlx::Error> {
        if self.renewed_at.take().is_some() {
            sqlx::query("UPDATE lease SET holder = '' WHERE name = $1 AND holder = $2")
                .bind(self.name.as_str())
                .bind(self.holder.as_str())
                .execute(self.database.writer().await?)
                .await?;
        }
        Ok(())
    }

    async fn renew(&self) -> Result<bool, sqlx::Error> {
        let renewed = sqlx::query("UPDATE lease SET beat = beat + 1 WHERE name = $1 AND holder = $2")
            .bind(self.name.as_str())
            .bind(self.holder.as_str())
            .execute(self.database.writer().await?)
            .await?;
        Ok(renewed.rows_affected() == 1)
    }

    async fn contend(&mut self) -> Result<bool, sqlx::Error> {
        let row: Option<(String, i64)> = sqlx::query_as("SELECT holder, beat FROM lease WHERE name = $1")
            .bind(self.name.as_str())
            .fetch_optional(self.database.reader())
            .await?;
        let Some((holder, beat)) = row else {
            let inserted = sqlx::query(
                "INSERT INTO lease (name, holder, beat) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING",
            )
            .bind(self.name.as_str())
            .bind(self.holder.as_str())
            .execute(self.database.writer().await?)
            .await?;
            return Ok(inserted.rows_affected() == 1);
        };
        // Our own name where we hold nothing: an earlier try was interrupted before we heard that it had succeeded.
        let free = holder.is_empty() || holder == self.holder;
        if !free && !self.fell_silent(&holder, beat) {
            return Ok(false);
        }
        let taken = sqlx::query(
            "UPDATE lease SET holder = $1, beat = beat + 1 WHERE name = $2 AND holder = $3 AND beat = $4",
        )
        .bind(self.holder.as_str())
        .bind(self.name.as_str())
        .bind(holder)
        .bind(beat)
        .execute(self.database.writer().await?)
        .await?;
        self.observed = None;
        Ok(taken.rows_affected() == 1)
    }

    fn fell_silent(&mut self, holder: &str, beat: i64) -> bool {
        match &self.observed {
            Some(seen) if seen.holder == holder && seen.beat == beat => seen.since.elapsed() >= self.ttl,
            _ => {
                self.observed = Some(Observed { holder: holder.to_owned(), beat, since: Instant::now() });
                false
            }
        }
    }
}

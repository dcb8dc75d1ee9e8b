use async_trait::async_trait;
use storage::{Database, StoreError};

use crate::domain::Counted;
use crate::use_cases::ports::AttemptStore;

#[derive(Clone)]
pub struct SqlAttempts {
    database: Database,
}

impl SqlAttempts {
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl AttemptStore for SqlAttempts {
    async fn counted(&self, subject: &str) -> Result<Option<Counted>, StoreError> {
        let found: Option<(i64, i64)> = sqlx::query_as("SELECT n, began_at FROM attempts WHERE subject = $1")
            .bind(subject)
            .fetch_optional(self.database.reader())
            .await?;
        Ok(found.map(|(n, began_at)| Counted { n, began_at }))
    }

    async fn count(&self, subject: &str, now: i64, window_from: i64) -> Result<Counted, StoreError> {
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "INSERT INTO attempts (subject, n, began_at) VALUES ($1, 1, $2) \
             ON CONFLICT (subject) DO UPDATE SET \
             n = CASE WHEN attempts.began_at <= $3 THEN 1 ELSE attempts.n + 1 END, \
             began_at = CASE WHEN attempts.began_at <= $3 THEN excluded.began_at ELSE attempts.began_at END \
             RETURNING n, began_at",
        )
        .bind(subject)
        .bind(now)
        .bind(window_from)
        .fetch_all(self.database.writer().await?)
        .await?;
        // Whichever it did, insert or update, it gives one row.
        let (n, began_at) = rows.first().copied().unwrap_or((1, now));
        Ok(Counted { n, began_at })
    }

    async fn forget(&self, subject: &str) -> Result<(), StoreError> {
        let writer = self.database.writer().await?;
        sqlx::query("DELETE FROM attempts WHERE subject = $1").bind(subject).execute(writer).await?;
        Ok(())
    }

    async fn purge(&self, began_before: i64) -> Result<(), StoreError> {
        let writer = self.database.writer().await?;
        sqlx::query("DELETE FROM attempts WHERE began_at < $1").bind(began_before).execute(writer).await?;
        Ok(())
    }
}

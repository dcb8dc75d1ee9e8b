//! Transactional outbox: a fact is committed with the state that it tells of, and published afterwards.
//!
//! Source: <https://microservices.io/patterns/data/transactional-outbox.html>

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Row};
use storage::{Database, Tx, sql};
use tokio::sync::Notify;

use crate::header_text;
use crate::log::Record;

const COLUMNS: usize = 5;
const LARGEST_INSERT: usize = 64;

#[derive(Clone)]
pub struct Outbox {
    database: Database,
    committed: Arc<Notify>,
}

/// A record that waits to be published.
pub(crate) struct Pending {
    pub(crate) id: i64,
    pub(crate) record: Record,
}

impl Outbox {
    pub fn new(database: Database) -> Self {
        Self {
            database,
            committed: Arc::new(Notify::new()),
        }
    }

    /// Adds `records` to the transaction. They are published, in this order, once it commits.
    ///
    /// # Errors
    /// The database's.
    pub async fn append(&self, tx: &mut Tx, records: &[Record]) -> Result<(), sqlx::Error> {
        for chunk in sql::chunks(records, LARGEST_INSERT) {
            let text = format!(
                "INSERT INTO outbox (topic, record_key, payload, headers, timestamp_ms) VALUES {}",
                sql::values(chunk.len(), COLUMNS)
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for record in chunk {
                query = query
                    .bind(record.topic.clone())
                    .bind(record.key.clone())
                    .bind(record.payload.clone())
                    .bind(header_text::encode(&record.headers))
                    .bind(record.timestamp_ms);
            }
            query.execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// Commits and wakes the relay.
    ///
    /// # Errors
    /// The database's; whether the transaction was committed is then unknown to the caller.
    pub async fn commit(&self, tx: Tx) -> Result<(), sqlx::Error> {
        tx.commit().await?;
        self.committed.notify_one();
        Ok(())
    }

    pub(crate) async fn committed(&self) {
        self.committed.notified().await;
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The oldest records. There is no cursor: a transaction that took an early id and committed late is seen
    /// by the next call.
    pub(crate) async fn oldest(&self, limit: i64) -> Result<Vec<Pending>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT id, topic, record_key, payload, headers, timestamp_ms FROM outbox ORDER BY id LIMIT $1",
        )
        .bind(limit)
        .fetch_all(self.database.reader())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Pending {
                    id: row.try_get(0)?,
                    record: Record {
                        topic: row.try_get(1)?,
                        key: row.try_get(2)?,
                        payload: row.try_get(3)?,
                        headers: header_text::decode(&row.try_get::<Vec<u8>, _>(4)?),
                        timestamp_ms: row.try_get(5)?,
                    },
                })
            })
            .collect()
    }

    pub(crate) async fn remove(&self, ids: &[i64]) -> Result<(), sqlx::Error> {
        for chunk in sql::chunks(ids, 256) {
            let text = format!(
                "DELETE FROM outbox WHERE id IN ({})",
                sql::placeholders(chunk.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for id in chunk {
                query = query.bind(*id);
            }
            query.execute(self.database.writer()).await?;
        }
        Ok(())
    }

    /// How many records wait, and the oldest one's timestamp (epoch milliseconds).
    ///
    /// # Errors
    /// The database's.
    pub async fn depth(&self) -> Result<(i64, Option<i64>), sqlx::Error> {
        sqlx::query_as("SELECT COUNT(*), MIN(timestamp_ms) FROM outbox")
            .fetch_one(self.database.reader())
            .await
    }
}

//! Transactional outbox: a fact is committed with the state that it tells of, and published afterwards.
//!
//! Source: <https://microservices.io/patterns/data/transactional-outbox.html>

use std::sync::Arc;

#[cfg(feature = "failpoints")]
use failpoints::sabotaged;
use failpoints::step;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use storage::{Database, Dialect, Tx, sql};
use tokio::sync::Notify;

use crate::log::Record;
use crate::{header_text, key_text};

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
        Self { database, committed: Arc::new(Notify::new()) }
    }

    /// A transaction in the outbox's database.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        self.database.begin().await
    }

    /// Adds `records` to the transaction. They are published, in this order, once it commits, which wakes the relay.
    ///
    /// # Errors
    /// The database's.
    pub async fn append(&self, tx: &mut Tx, records: &[Record]) -> Result<(), sqlx::Error> {
        if records.is_empty() {
            return Ok(());
        }
        tx.wakes(&self.committed);
        #[cfg(feature = "failpoints")]
        if sabotaged!("publish_before_commit") {
            crate::sabotage::keep(records);
            return Ok(());
        }
        step!("messaging.outbox.before_append");
        for chunk in sql::chunks(records, LARGEST_INSERT) {
            let text = format!(
                "INSERT INTO outbox (topic, record_key, payload, headers, timestamp_ms) VALUES {}",
                sql::values(Dialect::of(tx), chunk.len(), COLUMNS)
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for record in chunk {
                query = query
                    .bind(record.topic.as_str())
                    .bind(record.key.as_deref().map(key_text::encode))
                    .bind(record.payload.as_slice())
                    .bind(header_text::encode(&record.headers))
                    .bind(record.timestamp_ms);
            }
            query.execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// Commits.
    ///
    /// # Errors
    /// The database's; whether the transaction was committed is then unknown to the caller.
    pub async fn commit(&self, tx: Tx) -> Result<(), sqlx::Error> {
        step!("messaging.outbox.before_commit");
        tx.commit().await?;
        step!("messaging.outbox.after_commit");
        Ok(())
    }

    pub(crate) async fn committed(&self) {
        self.committed.notified().await;
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The oldest records that are not held back, without those of `published`. There is no cursor: a transaction that took an
    /// early id and committed late is seen by the next call.
    pub(crate) async fn oldest(&self, limit: usize, published: &[i64]) -> Result<Vec<Pending>, sqlx::Error> {
        let published = padded(published);
        let without = match published.len() {
            0 => String::new(),
            count => format!("AND id NOT IN ({}) ", sql::placeholders(self.database.dialect(), count)),
        };
        let text = format!(
            "SELECT id, topic, record_key, payload, headers, timestamp_ms FROM outbox WHERE held = 0 {without}\
             ORDER BY id LIMIT {limit}"
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for id in &published {
            query = query.bind(*id);
        }
        let rows = query.fetch_all(self.database.reader()).await?;
        rows.iter().map(read).collect()
    }

    /// What was published goes.
    pub(crate) async fn remove(&self, ids: &[i64]) -> Result<(), sqlx::Error> {
        self.for_ids("DELETE FROM outbox WHERE id IN", ids).await
    }

    /// What the log refuses stays, and is out of the way.
    pub(crate) async fn hold(&self, ids: &[i64]) -> Result<(), sqlx::Error> {
        self.for_ids("UPDATE outbox SET held = 1 WHERE id IN", ids).await
    }

    /// Everything held back is tried again.
    pub(crate) async fn let_go(&self) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE outbox SET held = 0 WHERE held = 1")
            .execute(self.database.writer().await?)
            .await
            .map(drop)
    }

    /// One statement, so one wait for the disk.
    async fn for_ids(&self, statement: &str, ids: &[i64]) -> Result<(), sqlx::Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids = padded(ids);
        let text = format!("{statement} ({})", sql::placeholders(self.database.dialect(), ids.len()));
        let mut query = sqlx::query(AssertSqlSafe(text));
        for id in ids {
            query = query.bind(id);
        }
        query.execute(self.database.writer().await?).await.map(drop)
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

    /// How many of them the log refuses.
    ///
    /// # Errors
    /// The database's.
    pub async fn held(&self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE held = 1")
            .fetch_one(self.database.reader())
            .await
    }
}

/// As many as the next power of two, filled up with the last one: few texts to prepare.
fn padded(ids: &[i64]) -> Vec<i64> {
    let mut padded = ids.to_vec();
    if let Some(last) = ids.last() {
        padded.resize(ids.len().next_power_of_two(), *last);
    }
    padded
}

fn read(row: &AnyRow) -> Result<Pending, sqlx::Error> {
    Ok(Pending {
        id: row.try_get(0)?,
        record: Record {
            topic: row.try_get(1)?,
            key: row.try_get::<Option<String>, _>(2)?.map(key_text::decode),
            payload: row.try_get(3)?,
            headers: header_text::decode(&row.try_get::<Vec<u8>, _>(4)?),
            timestamp_ms: row.try_get(5)?,
        },
    })
}

//! Transactional outbox: a fact is committed with the state that it tells of, and published afterwards.
//!
//! Source: <https://microservices.io/patterns/data/transactional-outbox.html>

use std::collections::HashSet;
use std::sync::Arc;

use envelope::Envelope;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use storage::{Database, Dialect, Tx, sql};
use tokio::sync::Notify;

use crate::log::Record;
use crate::topics::TopicNames;
use crate::{header_text, key_text};

const COLUMNS: usize = 5;
const LARGEST_INSERT: usize = 64;
const READ: &str = "id, topic, record_key, payload, headers, timestamp_ms";

#[derive(Clone)]
pub struct Outbox {
    database: Database,
    committed: Arc<Notify>,
    topics: TopicNames,
}

/// A record that waits to be published.
pub(crate) struct Pending {
    pub(crate) id: i64,
    pub(crate) record: Record,
}

impl Outbox {
    pub fn new(database: Database) -> Self {
        Self { database, committed: Arc::new(Notify::new()), topics: TopicNames::default() }
    }

    /// Topics have other names in the log than their own.
    #[must_use]
    pub fn with_topics(mut self, topics: TopicNames) -> Self {
        self.topics = topics;
        self
    }

    /// Tells facts: they are published, in this order, once the transaction commits, which wakes the relay.
    ///
    /// # Errors
    /// The database's.
    pub async fn tell(&self, tx: &mut Tx, facts: &[Envelope]) -> Result<(), sqlx::Error> {
        let records: Vec<Record> = facts.iter().map(|fact| self.topics.record(fact)).collect();
        self.append(tx, &records).await
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

    pub(crate) async fn committed(&self) {
        self.committed.notified().await;
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The oldest records from the id `from` on that are not held back, without those of `published` and of the topics `busy`.
    pub(crate) async fn oldest(
        &self,
        limit: usize,
        from: i64,
        published: &[i64],
        busy: &[String],
    ) -> Result<Vec<Pending>, sqlx::Error> {
        let published = padded(published);
        let dialect = self.database.dialect();
        let mut without = excluding(dialect, "id", 2, published.len());
        without += &excluding(dialect, "topic", 2 + published.len(), busy.len());
        let first = parameter(dialect, 1);
        let text = format!(
            "SELECT {READ} FROM outbox WHERE held = 0 AND id >= {first}{without} ORDER BY id LIMIT {limit}"
        );
        let mut query = sqlx::query(AssertSqlSafe(text)).bind(from);
        for id in &published {
            query = query.bind(*id);
        }
        for topic in busy {
            query = query.bind(topic.as_str());
        }
        let rows = query.fetch_all(self.database.reader()).await?;
        rows.iter().map(read).collect()
    }

    /// Records that are held back, behind the id `after`, without those of `published`.
    pub(crate) async fn held_after(
        &self,
        after: i64,
        limit: usize,
        published: &[i64],
    ) -> Result<Vec<Pending>, sqlx::Error> {
        let published = padded(published);
        let dialect = self.database.dialect();
        let (first, without) = (parameter(dialect, 1), excluding(dialect, "id", 2, published.len()));
        let text = format!(
            "SELECT {READ} FROM outbox WHERE held = 1 AND id > {first}{without} ORDER BY id LIMIT {limit}"
        );
        let mut query = sqlx::query(AssertSqlSafe(text)).bind(after);
        for id in &published {
            query = query.bind(*id);
        }
        let rows = query.fetch_all(self.database.reader()).await?;
        rows.iter().map(read).collect()
    }

    /// How many records of each topic and key are held back.
    pub(crate) async fn held_places(&self) -> Result<Vec<(String, Option<String>, u64)>, sqlx::Error> {
        let rows: Vec<(String, Option<String>, i64)> = sqlx::query_as(
            "SELECT topic, record_key, COUNT(*) FROM outbox WHERE held = 1 GROUP BY topic, record_key",
        )
        .fetch_all(self.database.reader())
        .await?;
        let read = |(topic, key, rows): (_, Option<String>, i64)| {
            (topic, key.map(key_text::decode), rows.unsigned_abs())
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// The last id that was given to a record, committed or not. `None`: the database does not say.
    pub(crate) async fn last_id(&self) -> Result<Option<i64>, sqlx::Error> {
        let text = match self.database.dialect() {
            // Read like any row: that of a transaction which is under way is not seen.
            Dialect::Sqlite => "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'",
            // Ids that a session keeps for later are not given one after the other.
            Dialect::Postgres => {
                "SELECT pg_sequence_last_value(seqrelid) FROM pg_sequence \
                 WHERE seqrelid = pg_get_serial_sequence('outbox', 'id')::regclass AND seqcache = 1"
            }
        };
        let last: Option<Option<i64>> =
            sqlx::query_scalar(text).fetch_optional(self.database.reader()).await?;
        Ok(last.flatten())
    }

    /// The transactions that have inserted, or may be about to.
    pub(crate) async fn inserting(&self) -> Result<HashSet<String>, sqlx::Error> {
        match self.database.dialect() {
            // One writes at a time, and who reads the last id sees all that was committed before.
            Dialect::Sqlite => Ok(HashSet::new()),
            Dialect::Postgres => {
                let transactions: Vec<String> = sqlx::query_scalar(
                    "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'relation' \
                     AND relation = 'outbox'::regclass AND mode = 'RowExclusiveLock' \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                )
                .fetch_all(self.database.reader())
                .await?;
                Ok(transactions.into_iter().collect())
            }
        }
    }

    /// What was published goes.
    pub(crate) async fn remove(&self, ids: &[i64]) -> Result<(), sqlx::Error> {
        self.for_ids("DELETE FROM outbox WHERE id IN", ids).await
    }

    /// What the log refuses stays, and is out of the way.
    pub(crate) async fn hold(&self, ids: &[i64]) -> Result<(), sqlx::Error> {
        self.for_ids("UPDATE outbox SET held = 1 WHERE id IN", ids).await
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

    /// The same from the id `from` on, with those that are held back, wherever they are.
    pub(crate) async fn waiting(&self, from: i64) -> Result<(i64, Option<i64>), sqlx::Error> {
        sqlx::query_as(
            "SELECT COUNT(*), MIN(timestamp_ms) FROM (\
             SELECT timestamp_ms FROM outbox WHERE held = 0 AND id >= $1 \
             UNION ALL SELECT timestamp_ms FROM outbox WHERE held = 1) AS waiting",
        )
        .bind(from)
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

/// SQLite does not number some and count others, so there all are counted.
fn parameter(dialect: Dialect, number: usize) -> String {
    match dialect {
        Dialect::Sqlite => "?".to_owned(),
        Dialect::Postgres => format!("${number}"),
    }
}

/// A condition that leaves out `count` values, the first of which is bound as `$first`.
fn excluding(dialect: Dialect, column: &str, first: usize, count: usize) -> String {
    if count == 0 {
        return String::new();
    }
    let names: Vec<String> = (first..first + count).map(|number| parameter(dialect, number)).collect();
    format!(" AND {column} NOT IN ({})", names.join(", "))
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

//! Records that could not be processed, and the later ones of the same key that wait behind them, in order.
//!
//! The record itself also goes to `<topic>.<group>.dlt`, as Spring Cloud Stream names it.

mod listing;
pub(crate) mod reason;
mod request;

use std::collections::HashSet;

use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;
use storage::{Database, Dialect, Tx, sql};

use crate::log::{ReceivedRecord, Record};
use crate::{header_text, key_text};
use reason::legible;

pub use self::listing::{LARGEST_PAGE, Listed};
pub use self::request::{Asked, Request, Selection};

/// Set aside for a reason of its own.
const DEAD: &str = "dead";
/// Waits behind a dead record of the same key.
const WAITING: &str = "waiting";

const REPLAY: &str = "replay";
const DISCARD: &str = "discard";

const COLUMNS: &str = "id, topic, log_partition, log_offset, record_key, payload, headers, timestamp_ms, \
                       status, reason, attempts, requested";

#[derive(Clone)]
pub struct DeadLetters {
    database: Database,
}

/// A record set aside.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    pub id: i64,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<String>,
    /// `dead`: failed for a reason of its own; `waiting`: stands behind a dead record of its key.
    pub status: String,
    pub reason: String,
    pub attempts: i32,
    /// Empty, `replay` or `discard`: what an operator asked for and the service has not done yet.
    pub requested: String,
    /// The value as text; bytes that are no UTF-8 are replaced.
    pub payload: String,
    #[serde(skip)]
    pub record: Record,
}

impl DeadLetter {
    pub(crate) fn is_waiting(&self) -> bool {
        self.status == WAITING
    }

    pub(crate) fn is_to_be_discarded(&self) -> bool {
        self.requested == DISCARD
    }

    pub(crate) fn received(&self) -> ReceivedRecord {
        ReceivedRecord { partition: self.partition, offset: self.offset, record: self.record.clone() }
    }
}

impl DeadLetters {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// A whole one.
    ///
    /// # Errors
    /// The database's.
    pub async fn show(&self, id: i64) -> Result<Option<DeadLetter>, sqlx::Error> {
        let text = format!("SELECT {COLUMNS} FROM dead_letter WHERE id = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(text)).bind(id).fetch_optional(self.database.reader()).await?;
        row.as_ref().map(read).transpose()
    }

    /// How many are dead, and how many wait behind them.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self) -> Result<(i64, i64), sqlx::Error> {
        sqlx::query_as(
            "SELECT COUNT(CASE WHEN status = 'dead' THEN 1 END), COUNT(CASE WHEN status = 'waiting' THEN 1 END) \
             FROM dead_letter",
        )
        .fetch_one(self.database.reader())
        .await
    }

    /// As [`count`](Self::count), of one topic.
    pub(crate) async fn count_of(&self, topic: &str) -> Result<(i64, i64), sqlx::Error> {
        sqlx::query_as(
            "SELECT COUNT(CASE WHEN status = 'dead' THEN 1 END), COUNT(CASE WHEN status = 'waiting' THEN 1 END) \
             FROM dead_letter WHERE topic = $1",
        )
        .bind(topic)
        .fetch_one(self.database.reader())
        .await
    }

    /// The partitions of which something is asked for.
    pub(crate) async fn requested_partitions(&self, topic: &str) -> Result<Vec<i32>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT DISTINCT log_partition FROM dead_letter WHERE requested <> '' AND topic = $1",
        )
        .bind(topic)
        .fetch_all(self.database.reader())
        .await
    }
}

/// The oldest request of a partition.
pub(crate) async fn requested(
    tx: &mut Tx,
    topic: &str,
    partition: i32,
) -> Result<Option<DeadLetter>, sqlx::Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM dead_letter WHERE requested <> '' AND topic = $1 AND log_partition = $2 \
         ORDER BY id LIMIT 1"
    );
    let row =
        sqlx::query(sqlx::AssertSqlSafe(text)).bind(topic).bind(partition).fetch_optional(&mut **tx).await?;
    row.as_ref().map(read).transpose()
}

/// The first one of the letter's key, in the order of the log; the letter itself where it has no key.
pub(crate) async fn first_of_key(
    tx: &mut Tx,
    letter: &DeadLetter,
) -> Result<Option<DeadLetter>, sqlx::Error> {
    // The index has the beginnings.
    let same = match letter.key {
        Some(_) => "substr(record_key, 1, 64) = substr($3, 1, 64) AND record_key = $3",
        None => "id = $3",
    };
    let text = format!(
        "SELECT {COLUMNS} FROM dead_letter WHERE topic = $1 AND log_partition = $2 AND {same} \
         ORDER BY log_offset LIMIT 1"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(letter.topic.as_str()).bind(letter.partition);
    let query = match &letter.key {
        Some(key) => query.bind(key_text::encode(key)),
        None => query.bind(letter.id),
    };
    let row = query.fetch_optional(&mut **tx).await?;
    row.as_ref().map(read).transpose()
}

/// The keys that have a record set aside; later records of theirs wait.
pub(crate) async fn blocked_keys(
    tx: &mut Tx,
    topic: &str,
    partition: i32,
) -> Result<HashSet<String>, sqlx::Error> {
    let keys: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT record_key FROM dead_letter \
         WHERE topic = $1 AND log_partition = $2 AND record_key IS NOT NULL",
    )
    .bind(topic)
    .bind(partition)
    .fetch_all(&mut **tx)
    .await?;
    Ok(keys.into_iter().map(key_text::decode).collect())
}

/// Why a record is set aside for a reason of its own.
#[derive(Clone)]
pub(crate) struct Verdict {
    pub(crate) reason: String,
    pub(crate) attempts: i32,
}

/// A record that is set aside: with a verdict, or because it waits behind one of its key that has one.
pub(crate) struct Aside<'a> {
    pub(crate) received: &'a ReceivedRecord,
    pub(crate) verdict: Option<Verdict>,
}

/// One statement.
pub(crate) async fn set_aside(tx: &mut Tx, aside: &[Aside<'_>]) -> Result<(), sqlx::Error> {
    let text = format!(
        "INSERT INTO dead_letter (topic, log_partition, log_offset, record_key, payload, headers, timestamp_ms, \
         status, reason, attempts) VALUES {} ON CONFLICT DO NOTHING",
        sql::values(Dialect::of(tx), aside.len(), 10)
    );
    let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
    for Aside { received, verdict } in aside {
        let record = &received.record;
        let (status, reason, attempts) = match verdict {
            Some(verdict) => (DEAD, verdict.reason.as_str(), verdict.attempts),
            None => (WAITING, "an earlier record of this key is a dead letter", 0),
        };
        query = query
            .bind(record.topic.as_str())
            .bind(received.partition)
            .bind(received.offset)
            .bind(record.key.as_deref().map(key_text::encode))
            .bind(record.payload.as_slice())
            .bind(header_text::encode(&record.headers))
            .bind(record.timestamp_ms)
            .bind(status)
            .bind(legible(reason))
            .bind(attempts);
    }
    query.execute(&mut **tx).await.map(drop)
}

pub(crate) async fn remove(tx: &mut Tx, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM dead_letter WHERE id = $1").bind(id).execute(&mut **tx).await?;
    Ok(())
}

/// The replay failed: the record is dead (again), and nothing is asked for any more.
pub(crate) async fn failed_again(tx: &mut Tx, id: i64, reason: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE dead_letter SET status = $1, reason = $2, attempts = attempts + 1, requested = '' WHERE id = $3",
    )
    .bind(DEAD)
    .bind(legible(reason))
    .bind(id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What stands first of a key now is to be replayed next, unless something else was asked for it already.
pub(crate) async fn request_replay(tx: &mut Tx, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE dead_letter SET requested = $1 WHERE id = $2 AND requested = ''")
        .bind(REPLAY)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(crate) async fn withdraw_request(tx: &mut Tx, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE dead_letter SET requested = '' WHERE id = $1").bind(id).execute(&mut **tx).await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<DeadLetter, sqlx::Error> {
    let record = Record {
        topic: row.try_get(1)?,
        key: row.try_get::<Option<String>, _>(4)?.map(key_text::decode),
        payload: row.try_get(5)?,
        headers: header_text::decode(&row.try_get::<Vec<u8>, _>(6)?),
        timestamp_ms: row.try_get(7)?,
    };
    Ok(DeadLetter {
        id: row.try_get(0)?,
        topic: record.topic.clone(),
        partition: row.try_get(2)?,
        offset: row.try_get(3)?,
        key: record.key.clone(),
        status: row.try_get(8)?,
        reason: row.try_get(9)?,
        attempts: row.try_get(10)?,
        requested: row.try_get(11)?,
        payload: String::from_utf8_lossy(&record.payload).into_owned(),
        record,
    })
}

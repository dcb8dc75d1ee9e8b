//! Dead letters as an operator looks through them: a page at a time, and of each value no more than its beginning. Anybody
//! who can write the topic decides how many there are, and how long.

use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::DeadLetters;
use crate::key_text;

/// Most letters of one page.
pub const LARGEST_PAGE: i64 = 500;
/// What is shown of a value, in bytes; the whole one is for whoever asks for that letter.
const SHOWN_BYTES: i32 = 1_024;
/// What is shown of a key, in characters.
const SHOWN_KEY: i32 = 256;

/// A dead letter in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    pub id: i64,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Its beginning, where it is long.
    pub key: Option<String>,
    /// Epoch milliseconds: when the record was written.
    pub timestamp: i64,
    pub status: String,
    pub reason: String,
    pub attempts: i32,
    pub requested: String,
    /// The beginning of the value as text; bytes that are no UTF-8 are replaced.
    pub payload: String,
    /// How long the whole value is.
    pub payload_bytes: i64,
}

impl DeadLetters {
    /// The oldest `limit` of those behind the letter `after`, by id; at most [`LARGEST_PAGE`].
    ///
    /// # Errors
    /// The database's.
    pub async fn list(&self, after: i64, limit: i64) -> Result<Vec<Listed>, sqlx::Error> {
        let text = format!(
            "SELECT id, topic, log_partition, log_offset, substr(record_key, 1, {SHOWN_KEY}), timestamp_ms, status, \
             reason, attempts, requested, substr(payload, 1, {SHOWN_BYTES}), CAST(length(payload) AS BIGINT) \
             FROM dead_letter WHERE id > $1 ORDER BY id LIMIT $2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(after)
            .bind(limit.clamp(1, LARGEST_PAGE))
            .fetch_all(self.database.reader())
            .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<Listed, sqlx::Error> {
    Ok(Listed {
        id: row.try_get(0)?,
        topic: row.try_get(1)?,
        partition: row.try_get(2)?,
        offset: row.try_get(3)?,
        key: row.try_get::<Option<String>, _>(4)?.map(key_text::decode),
        timestamp: row.try_get(5)?,
        status: row.try_get(6)?,
        reason: row.try_get(7)?,
        attempts: row.try_get(8)?,
        requested: row.try_get(9)?,
        payload: String::from_utf8_lossy(&row.try_get::<Vec<u8>, _>(10)?).into_owned(),
        payload_bytes: row.try_get(11)?,
    })
}

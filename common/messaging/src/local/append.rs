//! Appending records to the file.

use std::collections::HashMap;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, QueryBuilder, Sqlite};

use super::file;
use crate::log::Record;

/// Rows of one INSERT; more of them are several statements.
const ROWS: usize = 32;

/// Of all topics; 0 if there is none.
pub(super) async fn last_id(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM record").fetch_one(connection).await
}

/// The number of a topic in the file; a new topic gets one.
pub(super) async fn topic_id(connection: &mut SqliteConnection, topic: &str) -> Result<i64, sqlx::Error> {
    let known = sqlx::query_scalar("SELECT id FROM topic WHERE name = $1")
        .bind(topic)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(id) = known {
        return Ok(id);
    }
    // The update changes nothing; it makes a row that somebody else has just inserted come back as well.
    sqlx::query_scalar(
        "INSERT INTO topic (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
    )
    .bind(topic)
    .fetch_one(connection)
    .await
}

/// Appends in one transaction and returns the id of the last record.
pub(super) async fn append<'a>(
    connection: &mut SqliteConnection,
    records: impl Iterator<Item = &'a Record>,
) -> Result<i64, sqlx::Error> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Of each topic its id and its next position.
    let mut ends: HashMap<&str, (i64, i64)> = HashMap::new();
    let mut rows = Vec::new();
    for record in records {
        let end = match ends.get_mut(record.topic.as_str()) {
            Some(end) => end,
            None => {
                let id = topic_id(&mut tx, &record.topic).await?;
                let next: i64 = sqlx::query_scalar(
                    "SELECT coalesce(max(position) + 1, 0) FROM record WHERE topic_id = $1",
                )
                .bind(id)
                .fetch_one(&mut *tx)
                .await?;
                ends.entry(&record.topic).or_insert((id, next))
            }
        };
        rows.push((end.0, end.1, record));
        end.1 += 1;
    }
    let mut last = 0;
    for chunk in rows.chunks(ROWS) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO record (topic_id, position, key, payload, headers, timestamp_ms) ",
        );
        insert.push_values(chunk, |mut row, (topic_id, position, record)| {
            row.push_bind(topic_id)
                .push_bind(position)
                .push_bind(record.key.as_deref())
                .push_bind(record.payload.as_slice())
                .push_bind(file::encode_headers(&record.headers))
                .push_bind(record.timestamp_ms);
        });
        last = insert.build().execute(&mut *tx).await?.last_insert_rowid();
    }
    tx.commit().await?;
    Ok(last)
}

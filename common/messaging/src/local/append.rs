//! Appending records to the file.

use std::collections::HashMap;

use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite};

use super::{file, transaction};
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

/// The numbers of topics that were asked for before. A topic keeps its number.
#[derive(Default)]
pub(super) struct Topics(HashMap<String, i64>);

impl Topics {
    async fn id(&mut self, connection: &mut SqliteConnection, topic: &str) -> Result<i64, sqlx::Error> {
        if let Some(id) = self.0.get(topic) {
            return Ok(*id);
        }
        let id = topic_id(connection, topic).await?;
        self.0.insert(topic.to_owned(), id);
        Ok(id)
    }
}

/// Appends all or none and returns the id of the last record. A few records of one topic, which is what a relay publishes, are a
/// single statement: handing each to the connection's thread costs more than the statement itself.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    topics: &mut Topics,
    records: &[&Record],
) -> Result<i64, sqlx::Error> {
    let mut chunks = Vec::new();
    for of_one_topic in records.chunk_by(|a, b| a.topic == b.topic) {
        for chunk in of_one_topic.chunks(ROWS) {
            chunks.push((topics.id(connection, &chunk[0].topic).await?, chunk));
        }
    }
    if let [(topic_id, chunk)] = chunks[..] {
        return insert(connection, topic_id, chunk).await;
    }
    transaction::begin(connection).await?;
    let last = insert_all(connection, &chunks).await;
    transaction::end(connection, last).await
}

async fn insert_all(
    connection: &mut SqliteConnection,
    chunks: &[(i64, &[&Record])],
) -> Result<i64, sqlx::Error> {
    let mut last = 0;
    for (topic_id, chunk) in chunks {
        last = insert(connection, *topic_id, chunk).await?;
    }
    Ok(last)
}

async fn insert(
    connection: &mut SqliteConnection,
    topic_id: i64,
    records: &[&Record],
) -> Result<i64, sqlx::Error> {
    let mut insert =
        QueryBuilder::<Sqlite>::new("WITH new (place, key, payload, headers, timestamp_ms) AS (");
    insert.push_values((0_i64..).zip(records), |mut row, (place, record)| {
        row.push_bind(place)
            .push_bind(record.key.as_deref())
            .push_bind(record.payload.as_slice())
            .push_bind(file::encode_headers(&record.headers))
            .push_bind(record.timestamp_ms);
    });
    insert.push(") INSERT INTO record (topic_id, position, key, payload, headers, timestamp_ms) SELECT ");
    insert.push_bind(topic_id);
    insert.push(", (SELECT coalesce(max(position) + 1, 0) FROM record WHERE topic_id = ");
    insert.push_bind(topic_id);
    insert.push(") + place, key, payload, headers, timestamp_ms FROM new ORDER BY place");
    Ok(insert.build().execute(connection).await?.last_insert_rowid())
}

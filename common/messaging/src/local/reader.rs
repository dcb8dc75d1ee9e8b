//! Reading records of the file, without a group.

use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::file;
use crate::log::{EventLogError, ReceivedRecord, Record};

/// Reads a local log as it lies on the disk, also while others write it, also when nobody has it open.
pub struct LocalReader {
    connection: SqliteConnection,
    /// The topic read last and its number in the file.
    topic: Option<(String, i64)>,
}

impl LocalReader {
    /// # Errors
    /// A file that is not there or cannot be read.
    pub async fn open(path: &Path) -> Result<Self, EventLogError> {
        let connection = file::open_to_read(path).await.map_err(unreadable)?;
        Ok(Self { connection, topic: None })
    }

    /// At most `max` records from `offset` on, in order. Nothing if the topic is not there (yet).
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn read_from(
        &mut self,
        topic: &str,
        offset: i64,
        max: usize,
    ) -> Result<Vec<ReceivedRecord>, EventLogError> {
        let Some(topic_id) = self.topic_id(topic).await? else {
            return Ok(Vec::new());
        };
        let rows = sqlx::query(
            "SELECT position, key, payload, headers, timestamp_ms FROM record \
             WHERE topic_id = $1 AND position >= $2 ORDER BY position LIMIT $3",
        )
        .bind(topic_id)
        .bind(offset)
        .bind(i64::try_from(max).unwrap_or(i64::MAX))
        .fetch_all(&mut self.connection)
        .await
        .map_err(unreadable)?;
        rows.iter().map(|row| received(topic, row)).collect()
    }

    /// The offset of the earliest record, and the one that the next record will have.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn bounds(&mut self, topic: &str) -> Result<(i64, i64), EventLogError> {
        let Some(topic_id) = self.topic_id(topic).await? else {
            return Ok((0, 0));
        };
        sqlx::query_as(
            "SELECT (SELECT coalesce(min(position), 0) FROM record WHERE topic_id = $1), \
             (SELECT coalesce(max(position) + 1, 0) FROM record WHERE topic_id = $1)",
        )
        .bind(topic_id)
        .fetch_one(&mut self.connection)
        .await
        .map_err(unreadable)
    }

    /// The offset of the first record of this time or later; the end where there is none. Looks at each record: a topic of the
    /// local log is no longer than one machine bears.
    pub(super) async fn first_since(&mut self, topic: &str, from_ms: i64) -> Result<i64, EventLogError> {
        let (_, end) = self.bounds(topic).await?;
        let Some(topic_id) = self.topic_id(topic).await? else { return Ok(end) };
        let first: Option<i64> =
            sqlx::query_scalar("SELECT min(position) FROM record WHERE topic_id = $1 AND timestamp_ms >= $2")
                .bind(topic_id)
                .bind(from_ms)
                .fetch_one(&mut self.connection)
                .await
                .map_err(unreadable)?;
        // What was appended meanwhile lies behind the end.
        Ok(first.map_or(end, |first| first.min(end)))
    }

    /// What the group committed last.
    pub(super) async fn group_position(
        &mut self,
        topic: &str,
        group: &str,
    ) -> Result<Option<i64>, EventLogError> {
        sqlx::query_scalar("SELECT next_position FROM group_position WHERE topic = $1 AND member_group = $2")
            .bind(topic)
            .bind(group)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(unreadable)
    }

    async fn topic_id(&mut self, topic: &str) -> Result<Option<i64>, EventLogError> {
        if let Some((known, id)) = &self.topic
            && known == topic
        {
            return Ok(Some(*id));
        }
        let id: Option<i64> = sqlx::query_scalar("SELECT id FROM topic WHERE name = $1")
            .bind(topic)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(unreadable)?;
        self.topic = id.map(|id| (topic.to_owned(), id));
        Ok(id)
    }
}

fn received(topic: &str, row: &SqliteRow) -> Result<ReceivedRecord, EventLogError> {
    let decoded = || -> Result<_, sqlx::Error> {
        Ok(ReceivedRecord {
            partition: 0,
            offset: row.try_get(0)?,
            record: Record {
                topic: topic.to_owned(),
                key: row.try_get(1)?,
                payload: row.try_get(2)?,
                headers: file::decode_headers(row.try_get(3)?)
                    .ok_or_else(|| sqlx::Error::Protocol("the headers of a record are damaged".to_owned()))?,
                timestamp_ms: row.try_get(4)?,
            },
        })
    };
    decoded().map_err(unreadable)
}

fn unreadable(error: sqlx::Error) -> EventLogError {
    EventLogError::unavailable("reading", error)
}

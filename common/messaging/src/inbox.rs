//! Inbox: the position read is committed with the effects of what was read, guarded by its owner.
//!
//! Each partition has one row. Whoever is assigned the partition writes its own name into it; a replica that
//! lost the partition finds another name there and cannot commit. Which log the position belongs to stands there too.

use storage::{Database, Tx};

use crate::mark::{Mark, Place};

#[derive(Clone)]
pub(crate) struct Inbox {
    topic: String,
    owner: String,
}

/// `next_offset`, `mark`, `anchor`.
type Row = (i64, Option<String>, Option<String>);

pub(crate) fn read_place((next_offset, mark, anchor): Row) -> Place {
    // What cannot be read counts as not known.
    let read = |text: Option<String>| text.and_then(|text| text.parse().ok());
    Place { next_offset, mark: read(mark), anchor: read(anchor) }
}

impl Inbox {
    pub(crate) fn new(topic: &str) -> Self {
        Self { topic: topic.to_owned(), owner: uuid::Uuid::new_v4().to_string() }
    }

    /// Makes the partition ours and says where to read on. 0 where nothing was read yet.
    pub(crate) async fn claim(&self, database: &Database, partition: i32) -> Result<Place, sqlx::Error> {
        let row = sqlx::query_as(
            "INSERT INTO inbox_position (topic, log_partition, owner, next_offset) VALUES ($1, $2, $3, 0) \
             ON CONFLICT (topic, log_partition) DO UPDATE SET owner = excluded.owner \
             RETURNING next_offset, mark, anchor",
        )
        .bind(self.topic.as_str())
        .bind(partition)
        .bind(self.owner.as_str())
        .fetch_one(database.writer().await?)
        .await?;
        Ok(read_place(row))
    }

    /// Where to read on, if the partition is still ours.
    pub(crate) async fn position(
        &self,
        database: &Database,
        partition: i32,
    ) -> Result<Option<Place>, sqlx::Error> {
        let row = sqlx::query_as(
            "SELECT next_offset, mark, anchor FROM inbox_position \
             WHERE topic = $1 AND log_partition = $2 AND owner = $3",
        )
        .bind(self.topic.as_str())
        .bind(partition)
        .bind(self.owner.as_str())
        .fetch_optional(database.reader())
        .await?;
        Ok(row.map(read_place))
    }

    /// The log no longer has the anchor: the next record that is read becomes the new one.
    pub(crate) async fn forget_anchor(&self, database: &Database, partition: i32) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE inbox_position SET anchor = NULL WHERE topic = $1 AND log_partition = $2 AND owner = $3",
        )
        .bind(self.topic.as_str())
        .bind(partition)
        .bind(self.owner.as_str())
        .execute(database.writer().await?)
        .await?;
        Ok(())
    }

    /// Moves the position inside `tx`; `mark` is a record that was read, if one was. False: the partition belongs to
    /// somebody else now.
    pub(crate) async fn advance(
        &self,
        tx: &mut Tx,
        partition: i32,
        from: i64,
        to: i64,
        mark: Option<&Mark>,
    ) -> Result<bool, sqlx::Error> {
        let text = "UPDATE inbox_position SET next_offset = $1, mark = coalesce($6, mark), anchor = coalesce(anchor, $6) \
             WHERE topic = $2 AND log_partition = $3 AND owner = $4 AND next_offset = $5";
        let moved = sqlx::query(text)
            .bind(to)
            .bind(self.topic.as_str())
            .bind(partition)
            .bind(self.owner.as_str())
            .bind(from)
            .bind(mark.map(Mark::to_string))
            .execute(&mut **tx)
            .await?;
        Ok(moved.rows_affected() == 1)
    }
}

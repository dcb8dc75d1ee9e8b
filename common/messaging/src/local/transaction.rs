//! Transactions of the file. sqlx's own count how deep they are; where SQLite ends one by itself, for example because the disk is
//! full, that count stays, and the connection never begins another.

use sqlx::sqlite::SqliteConnection;

pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(connection).await.map(drop)
}

/// Commits if what was done between succeeded. In any case the connection can begin again.
pub(super) async fn end<T>(
    connection: &mut SqliteConnection,
    outcome: Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let outcome = match outcome {
        Ok(done) => sqlx::query("COMMIT").execute(&mut *connection).await.map(|_| done),
        Err(error) => Err(error),
    };
    if outcome.is_err() {
        // It fails where SQLite has rolled back already.
        let _ = sqlx::query("ROLLBACK").execute(connection).await;
    }
    outcome
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::append::{Topics, append};
    use super::super::file;
    use super::super::lease::write_positions;
    use crate::log::Record;

    fn record(topic: &str) -> Record {
        Record {
            topic: topic.to_owned(),
            key: None,
            payload: vec![b'x'; 40_000],
            headers: vec![],
            timestamp_ms: 0,
        }
    }

    /// `max_page_count` fails as a full disk does.
    async fn at_most(connection: &mut sqlx::sqlite::SqliteConnection, pages: u32) {
        let statement = format!("PRAGMA max_page_count = {pages}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(connection).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_works_again_when_the_disk_has_space_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut connection = file::open_durable(&directory.path().join("events.db")).await.unwrap();
        file::create_tables(&mut connection).await.unwrap();
        let mut topics = Topics::default();
        let (one, other) = (record("one"), record("other"));
        append(&mut connection, &mut topics, &[&one, &other]).await.unwrap();

        at_most(&mut connection, 1).await;
        append(&mut connection, &mut topics, &[&one, &other]).await.unwrap_err();
        let positions: Vec<_> = (0..500).map(|n| ((format!("topic {n}"), "x".repeat(1000)), 1)).collect();
        let positions = || positions.iter().map(|(key, next)| (key, next));
        write_positions(&mut connection, positions(), &[]).await.unwrap_err();

        at_most(&mut connection, 1_000_000).await;
        let last = append(&mut connection, &mut topics, &[&one, &other]).await.unwrap();
        assert_eq!(last, 4, "nothing of the failed try is left");
        write_positions(&mut connection, positions(), &[]).await.unwrap();
    }
}

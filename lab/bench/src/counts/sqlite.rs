//! Commits of SQLite, counted from outside and without touching the database.
//!
//! In WAL mode the first block of the `-shm` file is the header of the WAL index. Its third 32-bit word is raised by
//! every commit that changed something (`iChange`), see <https://www.sqlite.org/walformat.html>, section 2.1. With
//! `synchronous = FULL` a commit is one `fsync` of the WAL; only checkpoints add to that.

use std::io::Read;
use std::path::Path;

use crate::counts::Counters;
use harness::Error;

/// The format's version, which has never changed.
const VERSION: u32 = 3_007_000;
/// The header stands there twice; a writer that is at work has changed one of them only.
const COPY: usize = 48;
const TRIES: usize = 1000;

/// Commits of every database in the directory, `commits.payment` for `payment.db`.
///
/// # Errors
/// A file that is none of SQLite's.
pub fn commits(directory: &Path) -> Result<Counters, Error> {
    let failed = || Error::io(format!("reading {}", directory.display()));
    let mut counters = Counters::default();
    for entry in std::fs::read_dir(directory).map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(name) = name.strip_suffix(".db-shm") {
            counters.0.insert(format!("commits.{name}"), f64::from(commits_of(&path)?));
        }
    }
    Ok(counters)
}

fn commits_of(path: &Path) -> Result<u32, Error> {
    for _ in 0..TRIES {
        let mut header = [0; 2 * COPY];
        let mut file = std::fs::File::open(path).map_err(Error::io(format!("opening {}", path.display())))?;
        file.read_exact(&mut header).map_err(Error::io(format!("reading {}", path.display())))?;
        if header[..COPY] != header[COPY..] {
            continue;
        }
        let word =
            |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if word(0) != VERSION {
            return Err(Error::unexpected(format!("{} is no WAL index", path.display())));
        }
        return Ok(word(8));
    }
    Err(Error::unexpected(format!("{} never stands still", path.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sqlx::{Connection, Executor};

    #[tokio::test]
    async fn commits_that_write_are_counted_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", directory.path().join("shop.db").display());
        let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
        database.execute("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER)").await.unwrap();
        let before = commits(directory.path()).unwrap();
        for _ in 0..5 {
            database.execute("INSERT INTO t VALUES (1)").await.unwrap();
        }
        database
            .execute("BEGIN IMMEDIATE; INSERT INTO t VALUES (2); INSERT INTO t VALUES (3); COMMIT")
            .await
            .unwrap();
        database.execute("BEGIN IMMEDIATE; INSERT INTO t VALUES (4); ROLLBACK").await.unwrap();
        database.execute("SELECT * FROM t").await.unwrap();
        let counted = commits(directory.path()).unwrap().since(&before);
        assert_eq!(counted.0["commits.shop"], 6.0);
    }
}

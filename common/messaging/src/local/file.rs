//! The file: its tables and how it is opened.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use crate::log::EventLogError;

/// Another process writes for some milliseconds at a time; longer than this something is wrong.
const BUSY: Duration = Duration::from_secs(5);
const VERSION: i64 = 1;

/// `record.id` counts over all topics: one number says whether anything was appended.
const TABLES: &str = "
CREATE TABLE topic (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE record (
  id INTEGER PRIMARY KEY,
  topic_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  key TEXT,
  payload BLOB NOT NULL,
  headers BLOB NOT NULL,
  timestamp_ms INTEGER NOT NULL,
  UNIQUE (topic_id, position)
) STRICT;
CREATE TABLE group_position (
  topic TEXT NOT NULL,
  member_group TEXT NOT NULL,
  next_position INTEGER NOT NULL,
  PRIMARY KEY (topic, member_group)
) STRICT, WITHOUT ROWID;
CREATE TABLE lease (
  topic TEXT NOT NULL,
  member_group TEXT NOT NULL,
  holder TEXT NOT NULL,
  beat INTEGER NOT NULL,
  PRIMARY KEY (topic, member_group)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
";

/// One name for one file, so that those who have it open in this process find each other.
pub(super) fn absolute(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(is_directory(&path));
    };
    std::fs::create_dir_all(directory)?;
    if path.is_dir() {
        return Err(is_directory(&path));
    }
    Ok(directory.canonicalize()?.join(name))
}

fn is_directory(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::IsADirectory, format!("{} is a directory", path.display()))
}

/// For records: what is committed survives a power cut.
pub(super) async fn open_durable(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    connect(path, SqliteSynchronous::Full).await
}

/// For leases and positions: no `fsync` a commit, a crash of the machine may take the last ones back.
pub(super) async fn open_relaxed(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    connect(path, SqliteSynchronous::Normal).await
}

async fn connect(path: &Path, synchronous: SqliteSynchronous) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .busy_timeout(BUSY)
        .pragma("cache_size", "-1024");
    // The change to WAL does not wait for others who do the same at the same time.
    let start = Instant::now();
    loop {
        match options.connect().await {
            Err(error) if is_busy(&error) && start.elapsed() < BUSY => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            result => return result,
        }
    }
}

pub(super) async fn open_to_read(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY)
        .pragma("cache_size", "-512")
        .connect()
        .await
}

fn is_busy(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(e) if e.message().contains("locked"))
}

/// Creates the tables in a new file.
pub(super) async fn create_tables(connection: &mut SqliteConnection) -> Result<(), EventLogError> {
    let failed = |e: sqlx::Error| EventLogError::unavailable("creating its tables", e);
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *tx).await.map_err(failed)?;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *tx).await.map_err(failed)?;
    if version == 0 && tables == 0 {
        sqlx::raw_sql(TABLES).execute(&mut *tx).await.map_err(failed)?;
    } else if version != VERSION {
        return Err(EventLogError::refused(
            "opening",
            format!("the file is another database (user_version {version}), not an event log"),
        ));
    }
    tx.commit().await.map_err(failed)
}

/// Headers as one blob: for each of name and value its length (u32, little endian) and its bytes.
pub(super) fn encode_headers(headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    let size = headers.iter().map(|(n, v)| 8 + n.len() + v.len()).sum();
    let mut blob = Vec::with_capacity(size);
    for (name, value) in headers {
        for bytes in [name.as_bytes(), value] {
            // A record is at most a megabyte, so no length is cut here.
            blob.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            blob.extend_from_slice(bytes);
        }
    }
    blob
}

/// The way back; `None` if the blob is damaged.
pub(super) fn decode_headers(mut blob: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    fn take<'a>(blob: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        *blob = rest;
        Some(bytes)
    }
    let mut headers = Vec::new();
    while !blob.is_empty() {
        let name = str::from_utf8(take(&mut blob)?).ok()?.to_owned();
        headers.push((name, take(&mut blob)?.to_vec()));
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn headers_come_back_and_damage_is_seen() {
        let headers = vec![
            ("type".to_owned(), b"ReceiptCreated".to_vec()),
            (String::new(), vec![]),
            ("type".to_owned(), vec![0, 255]),
        ];
        let blob = encode_headers(&headers);
        assert_eq!(decode_headers(&blob).unwrap(), headers);
        assert_eq!(decode_headers(&[]).unwrap(), vec![]);
        for end in 1..blob.len() {
            // Cut between two headers it is whole, only shorter.
            let cut = decode_headers(&blob[..end]);
            assert!(cut.is_none_or(|some| headers.starts_with(&some) && some.len() < 3));
        }
        assert_eq!(decode_headers(&[255, 255, 255, 255, 1]), None);
    }
}

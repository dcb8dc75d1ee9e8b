//! Whether the file can be worked with, and stays.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{io, mem};

use storage::OpenFile;

/// A success says little while other work on the file fails: longer than whoever publishes waits before the next try.
const QUIET: Duration = Duration::from_secs(10);

pub(super) struct Condition {
    /// The database and its write-ahead log.
    files: [OpenFile; 2],
    /// When work failed last, and why.
    failing: Option<(Instant, String)>,
}

impl Condition {
    /// Of a file that is open.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { files: [OpenFile::at(path)?, OpenFile::wal_of(path)?], failing: None })
    }

    /// To be asked before a write and after it: nothing is acknowledged that lies in a file which is gone.
    pub(super) fn stay(&self) -> Result<(), sqlx::Error> {
        self.files.iter().try_for_each(|file| Ok(file.check()?))
    }

    pub(super) fn succeeded(&mut self) {
        self.failing = mem::take(&mut self.failing).filter(|(last, _)| last.elapsed() < QUIET);
    }

    pub(super) fn failed(&mut self, error: &sqlx::Error) {
        if self.failing.is_none() {
            tracing::warn!(%error, "the event log's file cannot be written or read");
        }
        self.failing = Some((Instant::now(), error.to_string()));
    }

    /// What the work of the last seconds says, and the files at this moment.
    pub(super) fn check(&self) -> Result<(), sqlx::Error> {
        self.stay()?;
        match &self.failing {
            Some((_, why)) => Err(sqlx::Error::Io(io::Error::other(why.clone()))),
            None => Ok(()),
        }
    }
}

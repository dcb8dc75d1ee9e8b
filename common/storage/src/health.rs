//! What real work says of the database: its failures, until it succeeds again.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::{is_conflict, is_unavailable};
use crate::files::OpenFile;

/// A success says little while others fail: a small change finds room on a disk that is full for a large one.
const QUIET: Duration = Duration::from_secs(3);
/// Every client may call the health check, so it has to stay cheap.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// One kind of work.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Successes look here only.
    is_failing: AtomicBool,
    failing: Mutex<Option<Failing>>,
}

#[derive(Debug)]
struct Failing {
    last: Instant,
    why: String,
}

impl Work {
    pub(crate) fn failed(&self, error: &sqlx::Error) {
        // What is closed is closed by us; a conflict is the other transaction's success.
        if !is_unavailable(error) || is_conflict(error) || matches!(error, sqlx::Error::PoolClosed) {
            return;
        }
        self.fails(error);
    }

    fn fails(&self, why: &impl Display) {
        let mut failing = self.lock();
        *failing = Some(Failing { last: Instant::now(), why: why.to_string() });
        self.is_failing.store(true, Ordering::Release);
    }

    pub(crate) fn succeeded(&self) {
        if self.is_failing.load(Ordering::Acquire) {
            let mut failing = self.lock();
            if failing.as_ref().is_none_or(|failing| failing.last.elapsed() >= QUIET) {
                *failing = None;
                self.is_failing.store(false, Ordering::Release);
            }
        }
    }

    pub(crate) fn why_failing(&self) -> Option<String> {
        self.lock().as_ref().map(|failing| failing.why.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writing, and whether what is written stays.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    pub(crate) work: Work,
    /// A transaction was given up: nobody has said why.
    is_doubtful: AtomicBool,
    probed_at: Mutex<Option<Instant>>,
    /// SQLite's.
    files: Files,
}

#[derive(Debug, Default)]
struct Files {
    database: OnceLock<OpenFile>,
    /// SQLite writes a new one where the only connection was closed in between.
    wal: Mutex<Option<OpenFile>>,
}

impl Writes {
    /// Of a SQLite file.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn to_file(path: &str) -> std::io::Result<Self> {
        // Whoever changes the working directory does not change what is open.
        let path = std::path::absolute(path)?;
        let writes = Self::default();
        let _ = writes.files.database.set(OpenFile::at(&path)?);
        Ok(writes)
    }

    /// A new connection has opened the write-ahead log.
    pub(crate) fn opened_wal(&self) {
        if let Some(database) = self.files.database.get() {
            *self.wal() = OpenFile::wal_of(database.path()).ok();
        }
    }

    /// To be asked before a write and after it: then none is answered that is not in the file.
    ///
    /// # Errors
    /// The file is not where it was.
    pub(crate) fn stay(&self) -> Result<(), sqlx::Error> {
        let stay = || {
            if let Some(database) = self.files.database.get() {
                database.check()?;
                if let Some(wal) = self.wal().as_ref() {
                    wal.check()?;
                }
            }
            Ok(())
        };
        stay().inspect_err(|error| self.work.failed(error))
    }

    /// The file's directory.
    pub(crate) fn directory(&self) -> Option<PathBuf> {
        self.files.database.get().and_then(|database| database.path().parent()).map(PathBuf::from)
    }

    /// # Errors
    /// It succeeded, and is lost.
    pub(crate) fn committed(&self) -> Result<(), sqlx::Error> {
        self.stay()?;
        self.is_doubtful.store(false, Ordering::Release);
        self.work.succeeded();
        Ok(())
    }

    pub(crate) fn gave_up(&self) {
        self.is_doubtful.store(true, Ordering::Release);
    }

    /// Whether it is time to try and see.
    pub(crate) fn ask_for_probe(&self) -> bool {
        if !self.is_doubtful.load(Ordering::Acquire) && !self.work.is_failing.load(Ordering::Acquire) {
            return false;
        }
        let mut probed_at = self.probed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = probed_at.is_none_or(|at| at.elapsed() >= PROBE_EVERY);
        if is_time {
            *probed_at = Some(Instant::now());
        }
        is_time
    }

    fn wal(&self) -> MutexGuard<'_, Option<OpenFile>> {
        self.files.wal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_a_statement_did_wrong_is_not_the_databases_failure() {
        let work = Work::default();
        work.failed(&sqlx::Error::RowNotFound);
        work.failed(&sqlx::Error::PoolClosed);
        assert_eq!(work.why_failing(), None);
        work.failed(&sqlx::Error::PoolTimedOut);
        assert!(work.why_failing().unwrap().contains("timed out"));
    }

    #[test]
    fn a_success_among_failures_heals_nothing() {
        let work = Work::default();
        work.failed(&sqlx::Error::PoolTimedOut);
        work.succeeded();
        assert!(work.why_failing().is_some());
        let last = Instant::now().checked_sub(QUIET).unwrap();
        work.lock().as_mut().unwrap().last = last;
        work.succeeded();
        assert_eq!(work.why_failing(), None);
    }
}

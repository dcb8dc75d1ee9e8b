//! The one connection that writes to SQLite, handed from each writer to the next.
//!
//! A pool asks a connection whether it is still there whenever it comes back. Here the database is a part of this process, and
//! each question is two changes of thread: as much as the statement before it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Connection, Executor};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify, OwnedMappedMutexGuard, OwnedMutexGuard};
use tokio::time::timeout;

type Kept = OwnedMappedMutexGuard<Option<AnyConnection>, AnyConnection>;

#[derive(Clone)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None`: to be opened.
    connection: Arc<Mutex<Option<AnyConnection>>>,
    /// Somebody began a transaction and did not get to its end.
    unfinished: AtomicBool,
    closed: AtomicBool,
    url: String,
    setup: String,
    acquire_timeout: Duration,
}

impl Writer {
    /// `setup` is executed on each new connection.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub(crate) async fn open(
        url: String,
        setup: String,
        acquire_timeout: Duration,
    ) -> Result<Self, sqlx::Error> {
        let shared = Shared {
            connection: Arc::default(),
            unfinished: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            url,
            setup,
            acquire_timeout,
        };
        let writer = Self { shared: Arc::new(shared) };
        drop(writer.acquire().await?);
        Ok(writer)
    }

    /// # Errors
    /// Somebody else writes for longer than the acquire timeout, the database is closed or cannot be opened.
    pub(crate) async fn acquire(&self) -> Result<Kept, sqlx::Error> {
        let mut connection = self.lock().await?;
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(sqlx::Error::PoolClosed);
        }
        if self.shared.unfinished.load(Ordering::Acquire) {
            if let Some(open) = &mut *connection
                && is_lost(sqlx::query("ROLLBACK").execute(open).await)
            {
                *connection = None;
            }
            self.shared.unfinished.store(false, Ordering::Release);
        }
        if connection.is_none() {
            let mut opened = AnyConnection::connect(&self.shared.url).await?;
            opened.execute(sqlx::AssertSqlSafe(self.shared.setup.clone())).await?;
            *connection = Some(opened);
        }
        OwnedMutexGuard::try_map(connection, Option::as_mut).map_err(|_| sqlx::Error::WorkerCrashed)
    }

    async fn lock(&self) -> Result<OwnedMutexGuard<Option<AnyConnection>>, sqlx::Error> {
        let connection = &self.shared.connection;
        match connection.clone().try_lock_owned() {
            Ok(free) => Ok(free),
            Err(_) => timeout(self.shared.acquire_timeout, connection.clone().lock_owned())
                .await
                .map_err(|_| sqlx::Error::PoolTimedOut),
        }
    }

    /// Takes the write lock at once, so that it cannot fail half-way because another process was faster.
    pub(crate) async fn begin(&self) -> Result<KeptTx, sqlx::Error> {
        let connection = self.acquire().await?;
        self.shared.unfinished.store(true, Ordering::Release);
        let mut tx = KeptTx { writer: self.clone(), connection, open: true };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *tx.connection).await?;
        Ok(tx)
    }

    pub(crate) async fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        if let Some(connection) = self.shared.connection.clone().lock_owned().await.take() {
            // What was committed is on the disk, closed or not.
            let _ = connection.close().await;
        }
    }
}

/// The connection is of no use any more. A database that says no still answers.
fn is_lost<T>(result: Result<T, sqlx::Error>) -> bool {
    matches!(result, Err(error) if error.as_database_error().is_none())
}

/// A transaction on the kept connection.
pub(crate) struct KeptTx {
    writer: Writer,
    connection: Kept,
    open: bool,
}

impl KeptTx {
    async fn end(mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(statement).execute(&mut *self.connection).await?;
        self.open = false;
        self.writer.shared.unfinished.store(false, Ordering::Release);
        Ok(())
    }
}

impl Drop for KeptTx {
    fn drop(&mut self) {
        // Whoever writes next rolls it back; without anybody, other processes would wait for the lock.
        if self.open
            && let Ok(runtime) = Handle::try_current()
        {
            let writer = self.writer.clone();
            runtime.spawn(async move { writer.acquire().await.map(drop) });
        }
    }
}

impl Deref for KeptTx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for KeptTx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}

/// A connection to write with, one statement at a time.
pub struct Writing(pub(crate) Held);

pub(crate) enum Held {
    Kept(Kept),
    Pooled(PoolConnection<Any>),
}

impl Deref for Writing {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        match &self.0 {
            Held::Kept(connection) => connection,
            Held::Pooled(connection) => connection,
        }
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match &mut self.0 {
            Held::Kept(connection) => connection,
            Held::Pooled(connection) => connection,
        }
    }
}

/// A write transaction. Dropping it rolls back.
pub struct Tx {
    open: Open,
    woken_by_commit: Vec<Arc<Notify>>,
}

pub(crate) enum Open {
    Kept(KeptTx),
    Pooled(sqlx::Transaction<'static, Any>),
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tx")
    }
}

impl Tx {
    pub(crate) fn new(open: Open) -> Self {
        Self { open, woken_by_commit: Vec::new() }
    }

    /// Whoever waits there goes on once this transaction has committed. (Spring's `TransactionSynchronization.afterCommit`.)
    pub fn wakes(&mut self, waiting: &Arc<Notify>) {
        if !self.woken_by_commit.iter().any(|known| Arc::ptr_eq(known, waiting)) {
            self.woken_by_commit.push(Arc::clone(waiting));
        }
    }

    /// # Errors
    /// The database's; whether it was committed is then not known, unless the database itself refused.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self.open {
            Open::Kept(tx) => tx.end("COMMIT").await?,
            Open::Pooled(tx) => tx.commit().await?,
        }
        for waiting in self.woken_by_commit {
            waiting.notify_one();
        }
        Ok(())
    }

    /// # Errors
    /// The database's.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        match self.open {
            Open::Kept(tx) => tx.end("ROLLBACK").await,
            Open::Pooled(tx) => tx.rollback().await,
        }
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        match &self.open {
            Open::Kept(tx) => tx,
            Open::Pooled(tx) => tx,
        }
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match &mut self.open {
            Open::Kept(tx) => tx,
            Open::Pooled(tx) => tx,
        }
    }
}

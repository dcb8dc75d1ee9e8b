//! A connection returns to the pool without a ping.
//!
//! sqlx's pool pings each connection that is returned: a round trip to PostgreSQL, two changes of thread in SQLite, as much as the
//! statement before it. Here a connection that has done its work is lent again as it is. The pool opens connections, sets them up,
//! tests the doubtful ones and closes the old ones.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use sqlx::any::{AnyQueryResult, AnyRow};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Either, Execute, Executor};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::health::{Work, Writes};

/// A connection that was idle for this long may have died meanwhile, and is tested before it is used.
pub(crate) const IDLE_IS_DOUBTFUL: Duration = Duration::from_secs(1);
/// Then the pool has it back, which knows how long a connection may live and be idle.
const AWAY_FROM_POOL: Duration = Duration::from_secs(30);
const ROLLBACK_LIMIT: Duration = Duration::from_secs(5);

/// What a statement gives, one after the other.
pub(crate) type Step = Either<AnyQueryResult, AnyRow>;

/// Cheap to clone. As an [`Executor`] it lends a connection for one statement.
#[derive(Clone)]
pub struct Connections {
    shared: Arc<Shared>,
}

struct Shared {
    pool: AnyPool,
    /// One for each connection that may be lent. Who waits, waits here, first come, first served.
    permits: Arc<Semaphore>,
    /// The one that came back last is lent first, so that those that are too many grow old.
    free: Mutex<Vec<Free>>,
    acquire_timeout: Duration,
    /// Of statements that need no connection of their own.
    work: Arc<Work>,
}

struct Free {
    connection: PoolConnection<Any>,
    from_pool: Instant,
    since: Instant,
}

impl Connections {
    pub(crate) fn new(pool: AnyPool, work: Arc<Work>) -> Self {
        let options = pool.options();
        let permits = Arc::new(Semaphore::new(options.get_max_connections() as usize));
        let acquire_timeout = options.get_acquire_timeout();
        Self { shared: Arc::new(Shared { pool, permits, free: Mutex::default(), acquire_timeout, work }) }
    }

    /// # Errors
    /// None is free within the acquire timeout, the database is closed or away.
    pub async fn acquire(&self) -> Result<Lent, sqlx::Error> {
        timeout(self.shared.acquire_timeout, self.lend()).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    async fn lend(&self) -> Result<Lent, sqlx::Error> {
        let permit = Arc::clone(&self.shared.permits).acquire_owned().await;
        let permit = permit.map_err(|_| sqlx::Error::PoolClosed)?;
        let (connection, from_pool) = match self.take().await {
            Some(taken) => taken,
            None => (self.shared.pool.acquire().await?, Instant::now()),
        };
        let shared = Arc::clone(&self.shared);
        Ok(Lent { lent: Some((connection, permit)), from_pool, shared, state: State::Doubtful, writes: None })
    }

    async fn take(&self) -> Option<(PoolConnection<Any>, Instant)> {
        loop {
            let Free { mut connection, from_pool, since } = self.shared.free().pop()?;
            if since.elapsed() < IDLE_IS_DOUBTFUL || sqlx::Connection::ping(&mut *connection).await.is_ok() {
                return Some((connection, from_pool));
            }
        }
    }

    /// How many are open and not lent.
    pub fn num_idle(&self) -> usize {
        self.shared.free().len() + self.shared.pool.num_idle()
    }

    /// Waits until all are back and closed.
    pub(crate) async fn close(&self) {
        self.shared.permits.close();
        self.shared.free().clear();
        self.shared.pool.close().await;
    }

    pub(crate) async fn run<'q, E>(self, query: E) -> Result<Vec<Step>, sqlx::Error>
    where
        E: 'q + Execute<'q, Any>,
    {
        let outcome = async { self.acquire().await?.run(query).await }.await;
        match &outcome {
            Ok(_) => self.shared.work.succeeded(),
            Err(error) => self.shared.work.failed(error),
        }
        outcome
    }

    /// What statements say of the database.
    pub(crate) fn why_failing(&self) -> Option<String> {
        self.shared.work.why_failing()
    }
}

impl Shared {
    fn free(&self) -> MutexGuard<'_, Vec<Free>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, connection: PoolConnection<Any>, from_pool: Instant) {
        if from_pool.elapsed() >= AWAY_FROM_POOL {
            return;
        }
        let mut free = self.free();
        if self.permits.is_closed() {
            return;
        }
        free.push(Free { connection, from_pool, since: Instant::now() });
        if free[0].since.elapsed() >= AWAY_FROM_POOL {
            free.remove(0);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if Handle::try_current().is_err() {
            // Going back to the pool needs a runtime; closing the socket or the file does not.
            for free in self.free().drain(..) {
                drop(free.connection.detach());
            }
        }
    }
}

/// A lent connection. As an [`Executor`] it is for one statement; for more, dereference it.
pub struct Lent {
    /// `None` from its drop on.
    lent: Option<(PoolConnection<Any>, OwnedSemaphorePermit)>,
    from_pool: Instant,
    shared: Arc<Shared>,
    state: State,
    writes: Option<Arc<Writes>>,
}

/// In which state a connection comes back.
#[derive(Clone, Copy)]
pub(crate) enum State {
    /// Lent again as it is.
    Clean,
    /// Something was begun, or nobody said that it ended: the pool asks.
    Doubtful,
    InTransaction,
}

impl Lent {
    pub(crate) fn comes_back(&mut self, state: State) {
        self.state = state;
    }

    /// It is for writing.
    pub(crate) fn is_for(&mut self, writes: Arc<Writes>) {
        self.writes = Some(writes);
    }

    pub(crate) fn writes(&self) -> Option<&Writes> {
        self.writes.as_deref()
    }

    /// To the end: a row comes before the commit that makes it true.
    pub(crate) async fn run<'q, E>(mut self, query: E) -> Result<Vec<Step>, sqlx::Error>
    where
        E: 'q + Execute<'q, Any>,
    {
        let outcome = self.deref_mut().fetch_many(query).try_collect().await;
        match (&outcome, self.writes()) {
            (Ok(_), Some(writes)) => writes.committed()?,
            (Err(error), Some(writes)) => writes.work.failed(error),
            (_, None) => {}
        }
        let results = outcome?;
        self.state = State::Clean;
        Ok(results)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some((mut connection, permit)) = self.lent.take() else { return };
        let from_pool = self.from_pool;
        match (self.state, Handle::try_current()) {
            (_, Err(_)) => drop(connection.detach()),
            (State::Doubtful, Ok(_)) => drop(connection),
            (State::Clean, Ok(_)) => self.shared.keep(connection, from_pool),
            (State::InTransaction, Ok(runtime)) => {
                let shared = Arc::clone(&self.shared);
                runtime.spawn(async move {
                    let rollback = sqlx::query("ROLLBACK").execute(&mut *connection);
                    match timeout(ROLLBACK_LIMIT, rollback).await {
                        Ok(Ok(_)) => shared.keep(connection, from_pool),
                        // Whatever is open ends with it.
                        _ => connection.close_on_drop(),
                    }
                    drop(permit);
                });
            }
        }
    }
}

impl Deref for Lent {
    type Target = AnyConnection;

    #[expect(clippy::expect_used, reason = "only drop takes it")]
    fn deref(&self) -> &AnyConnection {
        &self.lent.as_ref().expect("lent until it is dropped").0
    }
}

impl DerefMut for Lent {
    #[expect(clippy::expect_used, reason = "only drop takes it")]
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.lent.as_mut().expect("lent until it is dropped").0
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lent")
    }
}

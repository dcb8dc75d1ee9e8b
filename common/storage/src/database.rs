use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::Executor;
use sqlx::any::install_default_drivers;
use tokio::time::timeout;

use crate::connections::{Connections, Lent};
use crate::dialect::Dialect;
use crate::health::Writes;
use crate::open_error::OpenError;
use crate::opening;
use crate::pools::Pools;
use crate::schema::{self, Migrations};
use crate::settings::DatabaseSettings;
use crate::transaction::Tx;

const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A service's database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pools: Arc<Pools>,
}

impl Database {
    /// Connects, and migrates if the settings say so. `migrations` run in the order given;
    /// their version numbers must not overlap.
    ///
    /// # Errors
    /// A wrong URL, a directory that cannot be made, a database that does not answer or cannot be written, a migration that
    /// fails or is missing.
    pub async fn open(settings: &DatabaseSettings, migrations: &[Migrations]) -> Result<Self, OpenError> {
        settings.check()?;
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(install_default_drivers);

        let pools = match settings.url.strip_prefix("sqlite://") {
            Some(path) => opening::sqlite(settings, path).await?,
            None => opening::postgres(settings).await?,
        };
        schema::bring_up_to_date(&pools, migrations, settings.migrate).await?;
        Ok(Self { pools: Arc::new(pools) })
    }

    /// Begins a write transaction. On SQLite it takes the write lock at once (`BEGIN IMMEDIATE`),
    /// so that it cannot fail half-way because another writer was faster.
    ///
    /// # Errors
    /// No connection within the acquire timeout, or the database is away.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        Tx::begin(self.writer().await?).await
    }

    /// [`begin`](Self::begin) for so many statements. A single one is a transaction by itself, for a third of the round trips;
    /// it cannot be rolled back.
    ///
    /// # Errors
    /// No connection within the acquire timeout, or the database is away.
    pub async fn begin_for(&self, statements: usize) -> Result<Tx, sqlx::Error> {
        if statements == 1 { Ok(Tx::of_one_statement(self.writer().await?)) } else { self.begin().await }
    }

    /// For queries outside a transaction. Sees what is committed.
    pub fn reader(&self) -> &Connections {
        &self.pools.reader
    }

    /// For a single statement that is a transaction of its own.
    ///
    /// # Errors
    /// No connection within the acquire timeout, the database is away, or its file is not where it was.
    pub async fn writer(&self) -> Result<Lent, sqlx::Error> {
        let writes = self.writes();
        writes.stay()?;
        let acquired = self.pools.writer.as_ref().unwrap_or(&self.pools.reader).acquire().await;
        let mut lent = acquired.inspect_err(|error| writes.work.failed(error))?;
        lent.is_for(Arc::clone(writes));
        Ok(lent)
    }

    /// What writing says of itself; for who sees its errors.
    pub(crate) fn writes(&self) -> &Arc<Writes> {
        &self.pools.writes
    }

    pub fn dialect(&self) -> Dialect {
        self.pools.dialect()
    }

    /// Where SQLite's file lies.
    pub fn directory(&self) -> Option<PathBuf> {
        self.pools.writes.directory()
    }

    /// How far apart transactions that serve whoever waits begin; for a [`Pace`](crate::Pace).
    pub fn commit_delay(&self) -> Duration {
        self.pools.commit_delay
    }

    /// The URL without its password.
    pub fn display_url(&self) -> String {
        self.pools.display_url()
    }

    /// # Errors
    /// The database does not answer.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        (&self.pools.reader).execute("SELECT 1").await.map(drop)
    }

    /// Whether it can be read and written, for health checks. Real work says so; only where that failed, or was given up, is
    /// `probe` tried: a transaction that changes little.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self, probe: &[&'static str]) -> Result<(), String> {
        self.ping().await.map_err(|error| error.to_string())?;
        let writes = self.writes();
        // Also where nobody writes.
        writes.stay().map_err(|error| error.to_string())?;
        if writes.ask_for_probe() {
            let tried = self.try_and_see(probe).await;
            tried.inspect_err(|error| writes.work.failed(error)).map_err(|error| error.to_string())?;
        }
        match writes.work.why_failing().or_else(|| self.pools.reader.why_failing()) {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    async fn try_and_see(&self, probe: &[&'static str]) -> Result<(), sqlx::Error> {
        let mut tx = self.begin_for(probe.len()).await?;
        for statement in probe {
            tx.execute(*statement).await?;
        }
        tx.commit().await
    }

    /// Waits for a bounded time until all connections are back and closed: a server that does not answer any more
    /// cannot keep a service from stopping.
    pub async fn close(&self) {
        let closed = async {
            self.pools.reader.close().await;
            if let Some(writer) = &self.pools.writer {
                writer.close().await;
            }
        };
        if timeout(CLOSE_LIMIT, closed).await.is_err() {
            tracing::warn!(database = self.display_url(), "the database was left without a goodbye");
        }
    }
}

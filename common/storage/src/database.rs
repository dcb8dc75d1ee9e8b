use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, Connection, Executor};
use tokio::time::{Instant, sleep, timeout};

use crate::connections::{Connections, IDLE_IS_DOUBTFUL, Lent};
use crate::failure::is_not_there_yet;
use crate::settings::{DatabaseSettings, redact};
use crate::transaction::Tx;

/// How long a SQLite connection waits for another process's write lock.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// A replica that stands still in the middle of a transaction (a stopped process, a lost machine) keeps its locks on
/// PostgreSQL for this long; whoever takes its work over waits for them.
///
/// And every statement finds its rows by an index: the planner knows nothing of a table until it was analysed for the first time,
/// takes a new one for a small one, and keeps that plan; of an outbox it knows only that it is empty. What it would
/// rather read from end to end grows by a thousand rows a second. What it does read from end to end costs it so much, by its own
/// reckoning, that it would be compiled first, for a third of a second.
const POSTGRES_SESSION: &str = "SET idle_in_transaction_session_timeout = '15s'; \
     SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// Between a start's attempts to reach its database.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    pub fn of(connection: &AnyConnection) -> Self {
        match connection.backend_name() {
            "PostgreSQL" => Self::Postgres,
            _ => Self::Sqlite,
        }
    }
}

/// The same schema, once per database.
#[derive(Clone, Copy)]
pub struct Migrations {
    pub sqlite: &'static Migrator,
    pub postgres: &'static Migrator,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("database.url: {0}")]
    Settings(String),
    #[error("database.url: cannot create directory '{path}': {source}")]
    Directory { path: String, source: std::io::Error },
    #[error("database.url: cannot open '{url}': {source}")]
    Connect { url: String, source: sqlx::Error },
    #[error("migrating '{url}' failed: {source}")]
    Migrate { url: String, source: MigrateError },
}

/// A service's database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pools: Arc<Pools>,
}

struct Pools {
    /// SQLite's; PostgreSQL writes with the connections that it reads with.
    writer: Option<Connections>,
    reader: Connections,
    url: String,
    commit_delay: Duration,
}

impl Database {
    /// Connects, and migrates if the settings say so. `migrations` run in the order given;
    /// their version numbers must not overlap.
    ///
    /// # Errors
    /// A wrong URL, a directory that cannot be made, a database that does not answer, a migration that fails.
    pub async fn open(settings: &DatabaseSettings, migrations: &[Migrations]) -> Result<Self, OpenError> {
        settings.check().map_err(OpenError::Settings)?;
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(install_default_drivers);

        let pools = match settings.url.strip_prefix("sqlite://") {
            Some(path) => sqlite(settings, path).await?,
            None => postgres(settings).await?,
        };
        let database = Self { pools: Arc::new(pools) };
        if settings.migrate {
            for migration in migrations {
                database.migrate(*migration).await?;
            }
        }
        Ok(database)
    }

    async fn migrate(&self, migrations: Migrations) -> Result<(), OpenError> {
        let migrator = match self.dialect() {
            Dialect::Sqlite => migrations.sqlite,
            Dialect::Postgres => migrations.postgres,
        };
        // The messaging tables and the service's own share one ledger of migrations.
        let mut migrator = Migrator::with_migrations(migrator.iter().cloned().collect());
        migrator.set_ignore_missing(true);

        let migrated = match &self.pools.writer {
            // It has no lock for migrations: the write lock keeps processes that start together apart.
            Some(writer) => migrate_in_one_transaction(writer, &migrator).await,
            // Replicas wait for each other's advisory lock.
            None => migrate_one_after_another(&self.pools.reader, &migrator).await,
        };
        migrated.map_err(|source| OpenError::Migrate { url: redact(&self.pools.url), source })
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
    /// No connection within the acquire timeout, or the database is away.
    pub async fn writer(&self) -> Result<Lent, sqlx::Error> {
        self.pools.writer.as_ref().unwrap_or(&self.pools.reader).acquire().await
    }

    pub fn dialect(&self) -> Dialect {
        if self.pools.writer.is_some() { Dialect::Sqlite } else { Dialect::Postgres }
    }

    /// For a [`Pace`](crate::Pace).
    pub fn commit_delay(&self) -> Duration {
        self.pools.commit_delay
    }

    /// The URL without its password.
    pub fn display_url(&self) -> String {
        redact(&self.pools.url)
    }

    /// # Errors
    /// The database does not answer.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        (&self.pools.reader).execute("SELECT 1").await.map(drop)
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

async fn migrate_in_one_transaction(writer: &Connections, migrator: &Migrator) -> Result<(), MigrateError> {
    let mut connection = writer.acquire().await?;
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    // `run` on a transaction gives a future that cannot be sent to another thread.
    migrator.run_direct(None, &mut *tx, false).await?;
    tx.commit().await?;
    Ok(())
}

async fn migrate_one_after_another(pool: &Connections, migrator: &Migrator) -> Result<(), MigrateError> {
    migrator.run_direct(None, &mut *pool.acquire().await?, false).await
}

fn pool_options(settings: &DatabaseSettings) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(Duration::from_millis(settings.acquire_timeout_ms))
        // A connection is tested when it is returned; testing it each time would cost a round trip a query.
        .test_before_acquire(false)
}

async fn sqlite(settings: &DatabaseSettings, path: &str) -> Result<Pools, OpenError> {
    let file = path.split('?').next().unwrap_or(path);
    if let Some(directory) = Path::new(file).parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)
            .map_err(|source| OpenError::Directory { path: directory.display().to_string(), source })?;
    }
    let connect = |source| OpenError::Connect { url: settings.url.clone(), source };
    let separator = if path.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}mode=rwc", settings.url);

    let synchronous = settings.synchronous_commit;
    let pool = |max_connections, read_only| {
        pool_options(settings).max_connections(max_connections).after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(sqlx::AssertSqlSafe(sqlite_pragmas(read_only, synchronous))).await?;
                Ok(())
            })
        })
    };
    let writer = pool(1, false).connect(&url).await.map_err(connect)?;
    let reader = pool(settings.max_connections, true).connect_lazy(&url).map_err(connect)?;
    Ok(Pools {
        writer: Some(Connections::new(writer)),
        reader: Connections::new(reader),
        url: settings.url.clone(),
        commit_delay: Duration::from_millis(settings.commit_delay_ms),
    })
}

fn sqlite_pragmas(read_only: bool, synchronous: bool) -> String {
    format!(
        "PRAGMA busy_timeout = {}; \
         PRAGMA journal_mode = WAL; \
         PRAGMA synchronous = {}; \
         PRAGMA foreign_keys = ON; \
         PRAGMA query_only = {}",
        SQLITE_BUSY_TIMEOUT.as_millis(),
        if synchronous { "FULL" } else { "NORMAL" },
        u8::from(read_only)
    )
}

/// Returns once the server has taken a connection.
async fn await_server(settings: &DatabaseSettings) -> Result<(), sqlx::Error> {
    let acquire_timeout = Duration::from_millis(settings.acquire_timeout_ms);
    let deadline = Instant::now() + Duration::from_millis(settings.initialization_fail_timeout_ms);
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match timeout(acquire_timeout, AnyConnection::connect(&settings.url)).await {
            Ok(Ok(connection)) => return connection.close().await,
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::PoolTimedOut,
        };
        if !is_not_there_yet(&error) || Instant::now() + pause >= deadline {
            return Err(error);
        }
        tracing::warn!(%error, database = redact(&settings.url), "the database cannot be reached yet; trying again");
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn postgres(settings: &DatabaseSettings) -> Result<Pools, OpenError> {
    let connect = |source| OpenError::Connect { url: redact(&settings.url), source };
    await_server(settings).await.map_err(connect)?;
    let synchronous = settings.synchronous_commit;
    let pool = pool_options(settings)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(POSTGRES_SESSION).await?;
                if !synchronous {
                    connection.execute("SET synchronous_commit = off").await?;
                }
                Ok(())
            })
        })
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for >= IDLE_IS_DOUBTFUL {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect(&settings.url)
        .await
        .map_err(connect)?;
    Ok(Pools {
        writer: None,
        reader: Connections::new(pool),
        url: settings.url.clone(),
        commit_delay: Duration::from_millis(settings.commit_delay_ms),
    })
}

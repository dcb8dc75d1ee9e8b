use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, AnyPool, Executor};

use crate::settings::{DatabaseSettings, redact};

/// A write transaction. Dropping it rolls back.
pub type Tx = sqlx::Transaction<'static, Any>;

/// Milliseconds a SQLite connection waits for another process's write lock.
const SQLITE_BUSY_TIMEOUT_MS: u32 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
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
    writer: AnyPool,
    reader: AnyPool,
    dialect: Dialect,
    url: String,
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

        // PostgreSQL serialises replicas by an advisory lock; SQLite has none, so a second process that
        // starts at the same moment may lose a race once and then finds the work done.
        let mut attempts_left = if self.dialect() == Dialect::Sqlite { 10 } else { 1 };
        loop {
            attempts_left -= 1;
            match migrator.run(&self.pools.writer).await {
                Ok(()) => return Ok(()),
                Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) if attempts_left > 0 => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(source) => {
                    return Err(OpenError::Migrate { url: redact(&self.pools.url), source });
                }
            }
        }
    }

    /// Begins a write transaction. On SQLite it takes the write lock at once (`BEGIN IMMEDIATE`),
    /// so that it cannot fail half-way because another writer was faster.
    ///
    /// # Errors
    /// No connection within the acquire timeout, or the database is away.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        match self.dialect() {
            Dialect::Sqlite => self.pools.writer.begin_with("BEGIN IMMEDIATE").await,
            Dialect::Postgres => self.pools.writer.begin().await,
        }
    }

    /// For queries outside a transaction. Sees what is committed.
    pub fn reader(&self) -> &AnyPool {
        &self.pools.reader
    }

    /// For a single statement that is a transaction of its own.
    pub fn writer(&self) -> &AnyPool {
        &self.pools.writer
    }

    pub fn dialect(&self) -> Dialect {
        self.pools.dialect
    }

    /// The URL without its password.
    pub fn display_url(&self) -> String {
        redact(&self.pools.url)
    }

    /// # Errors
    /// The database does not answer.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        self.pools.reader.execute("SELECT 1").await.map(drop)
    }

    pub async fn close(&self) {
        self.pools.reader.close().await;
        self.pools.writer.close().await;
    }
}

fn pool_options(settings: &DatabaseSettings, max_connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(Duration::from_millis(settings.acquire_timeout_ms))
        // A connection is tested when it is returned; testing it again costs a round trip a query.
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

    let writer = pool_options(settings, 1)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(sqlite_pragmas(false)).await?;
                Ok(())
            })
        })
        .connect(&url)
        .await
        .map_err(connect)?;
    let reader = pool_options(settings, settings.max_connections)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(sqlite_pragmas(true)).await?;
                Ok(())
            })
        })
        .connect_lazy(&url)
        .map_err(connect)?;
    Ok(Pools { writer, reader, dialect: Dialect::Sqlite, url: settings.url.clone() })
}

fn sqlite_pragmas(read_only: bool) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!(
        "PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}; \
         PRAGMA journal_mode = WAL; \
         PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; \
         PRAGMA query_only = {}",
        u8::from(read_only)
    ))
}

async fn postgres(settings: &DatabaseSettings) -> Result<Pools, OpenError> {
    let pool = pool_options(settings, settings.max_connections)
        .connect(&settings.url)
        .await
        .map_err(|source| OpenError::Connect { url: redact(&settings.url), source })?;
    Ok(Pools { writer: pool.clone(), reader: pool, dialect: Dialect::Postgres, url: settings.url.clone() })
}

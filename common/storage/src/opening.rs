//! The first connection says what is wrong; the pools' connections come later, and their errors would be waited out.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, Connection, Executor};
use tokio::time::{Instant, sleep, timeout};

use crate::connections::{Connections, IDLE_IS_DOUBTFUL};
use crate::failure::{is_busy, is_not_there_yet};
use crate::health::{Work, Writes};
use crate::open_error::Unusable;
use crate::pools::Pools;
use crate::settings::DatabaseSettings;

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
/// Between a start's attempts to reach its database.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The only encoding that has every customer's name.
const UTF8: &str = "UTF8";

fn pool_options(settings: &DatabaseSettings) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(Duration::from_millis(settings.acquire_timeout_ms))
        // A connection is tested when it is returned; testing it each time would cost a round trip a query.
        .test_before_acquire(false)
}

pub(crate) async fn sqlite(settings: &DatabaseSettings, path: &str) -> Result<Pools, Unusable> {
    let file = path.split('?').next().unwrap_or(path);
    if let Some(directory) = Path::new(file).parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)
            .map_err(|source| Unusable::Directory { path: directory.display().to_string(), source })?;
    }
    if Path::new(file).is_dir() {
        return Err(Unusable::IsDirectory { path: file.to_owned() });
    }
    let connect = |source| Unusable::Connect { url: settings.url.redacted(), source };
    let separator = if path.contains('?') { '&' } else { '?' };
    let url = |mode: &str| format!("{}{separator}mode={mode}", &*settings.url);

    let synchronous = settings.synchronous_commit;
    may_be_written(Path::new(file)).map_err(connect)?;
    let first = open_sqlite_file(&url("rwc"), synchronous).await.map_err(connect)?;
    let writes = Arc::new(Writes::to_file(file).map_err(|error| connect(sqlx::Error::Io(error)))?);
    let reads = Arc::new(Work::default());

    let pool = |max_connections, read_only| {
        let (writes, reads) = (Arc::clone(&writes), Arc::clone(&reads));
        pool_options(settings).max_connections(max_connections).after_connect(move |connection, _| {
            let (writes, reads) = (Arc::clone(&writes), Arc::clone(&reads));
            Box::pin(async move {
                let set_up = set_up_sqlite(connection, read_only, synchronous).await;
                if !read_only {
                    writes.opened_wal();
                }
                // The pool keeps the reason to itself.
                set_up.inspect_err(|error| if read_only { &reads } else { &writes.work }.failed(error))
            })
        })
    };
    // The file is there: whoever finds none later must not leave an empty one.
    let existing = url("rw");
    let writer = pool(1, false).connect(&existing).await.map_err(connect)?;
    let reader = pool(settings.max_connections, true).connect_lazy(&existing).map_err(connect)?;
    first.close().await.map_err(connect)?;
    Ok(Pools {
        writer: Some(Connections::new(writer, Arc::default())),
        reader: Connections::new(reader, reads),
        writes,
        url: settings.url.clone(),
        commit_delay: Duration::from_millis(settings.commit_delay_ms),
    })
}

/// Creates it if need be, and finds out whether it is a database.
async fn open_sqlite_file(url: &str, synchronous: bool) -> Result<AnyConnection, sqlx::Error> {
    let deadline = Instant::now() + SQLITE_BUSY_TIMEOUT;
    let mut connection = AnyConnection::connect(url).await?;
    loop {
        // The change to WAL does not wait for others who do the same at the same time.
        match set_up_sqlite(&mut connection, false, synchronous).await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => sleep(FIRST_PAUSE).await,
            Err(error) => return Err(error),
            Ok(()) => return Ok(connection),
        }
    }
}

/// SQLite opens for reading what it may not write, and of the directory, where its write-ahead log lies, it says that it cannot
/// open the database. Asked without opening: to close a file would end the locks that this process has on it.
fn may_be_written(file: &Path) -> Result<(), sqlx::Error> {
    use rustix::fs::Access;
    let directory = file.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let refused =
        |path: &Path, why| io::Error::new(why, format!("'{}' may not be written: {why}", path.display()));
    if file.exists() {
        rustix::fs::access(file, Access::READ_OK | Access::WRITE_OK)
            .map_err(|why| refused(file, why.kind()))?;
    }
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|why| refused(directory, why.kind()))?;
    Ok(())
}

async fn set_up_sqlite(
    connection: &mut AnyConnection,
    read_only: bool,
    synchronous: bool,
) -> Result<(), sqlx::Error> {
    let pragmas = sqlite_pragmas(read_only, synchronous);
    connection.execute(sqlx::AssertSqlSafe(pragmas)).await?;
    // Now the write-ahead log is open as well.
    connection.execute("SELECT count(*) FROM sqlite_schema").await?;
    Ok(())
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
async fn await_server(settings: &DatabaseSettings) -> Result<AnyConnection, sqlx::Error> {
    let acquire_timeout = Duration::from_millis(settings.acquire_timeout_ms);
    let deadline = Instant::now() + Duration::from_millis(settings.initialization_fail_timeout_ms);
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match timeout(acquire_timeout, AnyConnection::connect(&settings.url)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::PoolTimedOut,
        };
        if !is_not_there_yet(&error) || Instant::now() + pause >= deadline {
            return Err(error);
        }
        tracing::warn!(%error, database = settings.url.redacted(), "the database cannot be reached yet; trying again");
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn set_up_postgres(connection: &mut AnyConnection, synchronous: bool) -> Result<(), sqlx::Error> {
    connection.execute(POSTGRES_SESSION).await?;
    if !synchronous {
        connection.execute("SET synchronous_commit = off").await?;
    }
    Ok(())
}

pub(crate) async fn postgres(settings: &DatabaseSettings) -> Result<Pools, Unusable> {
    let connect = |source| Unusable::Connect { url: settings.url.redacted(), source };
    let synchronous = settings.synchronous_commit;
    let mut first = await_server(settings).await.map_err(connect)?;
    set_up_postgres(&mut first, synchronous).await.map_err(connect)?;
    let encoding: String =
        sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut first).await.map_err(connect)?;
    first.close().await.map_err(connect)?;
    if encoding != UTF8 {
        return Err(Unusable::Encoding { url: settings.url.redacted(), encoding });
    }

    let work = Arc::new(Work::default());
    let refused = Arc::clone(&work);
    let pool = pool_options(settings)
        .after_connect(move |connection, _| {
            let refused = Arc::clone(&refused);
            Box::pin(async move {
                // The pool keeps the reason to itself.
                set_up_postgres(connection, synchronous).await.inspect_err(|error| refused.failed(error))
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
        reader: Connections::new(pool, work),
        writes: Arc::default(),
        url: settings.url.clone(),
        commit_delay: Duration::from_millis(settings.commit_delay_ms),
    })
}

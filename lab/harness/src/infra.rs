//! Kafka and PostgreSQL for `--against real`: those of `infra/up`, with a state of their own, so that nothing else that
//! runs on the machine is counted or disturbed.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};

use crate::Error;
use crate::binaries::workspace;
use crate::cpu::Group;

/// Prefix of the databases that are made here; left-overs of a run that was killed go at the next one.
const PREFIX: &str = "bench_";
/// Whoever this variable of `infra/up` names: when that process has ended, however it did, both are stopped.
pub const OWNER: &str = "INFRA_OWNER";

/// Running; stopped by [`Infra::down`].
pub struct Infra {
    state: PathBuf,
    pub brokers: String,
    postgres_port: u16,
    admin: PgPool,
}

impl Infra {
    /// Starts both if they do not run. The state lies in `$INFRA_STATE`, else in the directory given.
    ///
    /// # Errors
    /// `infra/up` failed; its own words are on standard error.
    pub async fn up(state: &Path) -> Result<Self, Error> {
        let state = std::env::var_os("INFRA_STATE").map_or_else(|| state.to_owned(), PathBuf::from);
        let started = Self::start(&state).await;
        if started.is_err() {
            // One of the two may run.
            script("down", &state, &[])?;
        }
        started
    }

    async fn start(state: &Path) -> Result<Self, Error> {
        script("up", state, &[])?;
        let mut infra = Self::connect(state).await?;
        if !infra.counts_statements().await? {
            // Only takes effect with a restart; the server is ours.
            infra.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'").await?;
            infra.execute("ALTER SYSTEM SET pg_stat_statements.max = 5000").await.ok();
            infra.admin.close().await;
            script("down", state, &["postgres"])?;
            script("up", state, &["postgres"])?;
            infra = Self::connect(state).await?;
            if !infra.counts_statements().await? {
                return Err(Error::unexpected("PostgreSQL does not load pg_stat_statements"));
            }
        }
        infra.remove_leftovers().await?;
        Ok(infra)
    }

    async fn connect(state: &Path) -> Result<Self, Error> {
        let path = state.join("env");
        let text =
            std::fs::read_to_string(&path).map_err(Error::io(format!("reading {}", path.display())))?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("export ")?.strip_prefix(name));
            line.and_then(|rest| rest.strip_prefix('=')).map(str::to_owned)
        };
        let missing = || Error::unexpected(format!("{} lacks something", path.display()));
        let brokers = value("KAFKA_BROKERS").ok_or_else(missing)?;
        let url = value("PAYMENT_DATABASE_URL").ok_or_else(missing)?;
        let options: PgConnectOptions = url.parse().map_err(Error::sql("reading PostgreSQL's address"))?;
        let postgres_port = options.get_port();
        // Makes databases and reads everybody's statistics.
        let options = options.username("postgres").database("postgres");
        let admin = PgPoolOptions::new()
            .max_connections(2)
            .connect_with(options)
            .await
            .map_err(Error::sql("connecting to PostgreSQL"))?;
        Ok(Self { state: state.to_owned(), brokers, postgres_port, admin })
    }

    pub fn postgres_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.postgres_port))
    }

    /// A connection to the server itself, as its superuser.
    pub fn admin(&self) -> &PgPool {
        &self.admin
    }

    /// An empty database of that name.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn create_database(&self, name: &str) -> Result<String, Error> {
        let name = format!("{PREFIX}{name}");
        self.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        self.execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(format!("postgres://postgres@127.0.0.1:{}/{name}", self.postgres_port))
    }

    /// # Errors
    /// PostgreSQL's.
    pub async fn drop_database(&self, url: &str) -> Result<(), Error> {
        let name = url.rsplit('/').next().unwrap_or_default();
        self.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
    }

    /// # Errors
    /// Kafka's. A topic that is not there is none.
    pub async fn delete_topics(&self, topics: &[&str]) -> Result<(), Error> {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .create()
            .map_err(|e| Error::EventLog(e.to_string()))?;
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
        admin.delete_topics(topics, &options).await.map_err(|e| Error::EventLog(e.to_string()))?;
        Ok(())
    }

    /// PostgreSQL with all its backends and workers.
    ///
    /// # Errors
    /// It does not run, or not here.
    pub fn postgres(&self) -> Result<Group, Error> {
        Ok(Group::tree("postgres", first_line(&self.state.join("postgres/data/postmaster.pid"))?))
    }

    /// Kafka's broker; shown, but not counted as ours.
    ///
    /// # Errors
    /// It does not run, or not here.
    pub fn kafka(&self) -> Result<Group, Error> {
        Ok(Group::one("kafka", first_line(&self.state.join("kafka/pid"))?))
    }

    /// Stops both; their data stay until `infra/down --purge`.
    pub async fn down(self) {
        self.admin.close().await;
        if let Err(error) = script("down", &self.state, &[]) {
            eprintln!("{error}");
        }
    }

    /// Leaves both running when this program ends, for the next one.
    ///
    /// # Errors
    /// The owner's file cannot be removed.
    pub fn leave(self) -> Result<(), Error> {
        std::fs::remove_file(self.state.join("owner"))
            .map_err(Error::io("leaving Kafka and PostgreSQL running"))
    }

    async fn counts_statements(&self) -> Result<bool, Error> {
        let loaded: String = sqlx::query_scalar("SHOW shared_preload_libraries")
            .fetch_one(&self.admin)
            .await
            .map_err(Error::sql("asking PostgreSQL"))?;
        if !loaded.contains("pg_stat_statements") {
            return Ok(false);
        }
        self.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await?;
        Ok(true)
    }

    async fn remove_leftovers(&self) -> Result<(), Error> {
        let names: Vec<String> = sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname LIKE $1")
            .bind(format!("{}%", PREFIX.replace('_', "\\_")))
            .fetch_all(&self.admin)
            .await
            .map_err(Error::sql("listing databases"))?;
        for name in names {
            self.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        }
        Ok(())
    }

    async fn execute(&self, statement: &str) -> Result<(), Error> {
        // Names are our own: letters, digits, underscores.
        let query = sqlx::query(AssertSqlSafe(statement.to_owned()));
        query.execute(&self.admin).await.map(drop).map_err(Error::sql(statement))
    }
}

fn first_line(path: &Path) -> Result<u32, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io(format!("reading {}", path.display())))?;
    let first = text.lines().next().and_then(|line| line.trim().parse().ok());
    first.ok_or_else(|| Error::unexpected(format!("{} has no process id", path.display())))
}

fn script(name: &str, state: &Path, arguments: &[&str]) -> Result<(), Error> {
    let status = Command::new(workspace().join("infra").join(name))
        .args(arguments)
        .env("INFRA_STATE", state)
        .env(OWNER, std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(Error::io(format!("starting infra/{name}")))?;
    if status.success() { Ok(()) } else { Err(Error::unexpected(format!("infra/{name} failed"))) }
}

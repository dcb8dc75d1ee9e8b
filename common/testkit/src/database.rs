use std::net::SocketAddr;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use storage::{Database, DatabaseSettings, Migrations};
use tempfile::TempDir;
use url::Url;

/// A kind of database that a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A database of one test, dropped with its last clone.
#[derive(Clone)]
pub struct TestDatabase {
    place: Arc<Place>,
}

struct Place {
    url: String,
    kind: Kind,
}

enum Kind {
    Sqlite { _directory: TempDir },
    Postgres { server: Url, name: String },
}

/// Where databases may be created: `TEST_DATABASE_URL`.
pub(crate) fn postgres_url() -> Option<Url> {
    let url = std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())?;
    Some(Url::parse(&url).expect("TEST_DATABASE_URL is a URL"))
}

impl TestDatabase {
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let url = format!("sqlite://{}/test.db", directory.path().display());
        Self { place: Arc::new(Place { url, kind: Kind::Sqlite { _directory: directory } }) }
    }

    /// `None` where no server is given.
    pub async fn postgres() -> Option<Self> {
        let server = postgres_url()?;
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        execute(&server, format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        let mut url = server.clone();
        url.set_path(&name);
        Some(Self { place: Arc::new(Place { url: url.into(), kind: Kind::Postgres { server, name } }) })
    }

    pub fn backend(&self) -> Backend {
        match self.place.kind {
            Kind::Sqlite { .. } => Backend::Sqlite,
            Kind::Postgres { .. } => Backend::Postgres,
        }
    }

    pub fn url(&self) -> &str {
        &self.place.url
    }

    /// For whoever opens it himself, an `Application` for instance.
    pub fn settings(&self) -> DatabaseSettings {
        DatabaseSettings {
            url: self.place.url.as_str().into(),
            max_connections: 8,
            acquire_timeout_ms: 10_000,
            commit_delay_ms: 1,
            synchronous_commit: true,
            initialization_fail_timeout_ms: 10_000,
            migrate: true,
        }
    }

    /// The settings of a way through `proxy`, which must lead to [`TestDatabase::server`].
    pub fn settings_through(&self, proxy: SocketAddr) -> DatabaseSettings {
        let mut url = Url::parse(&self.place.url).expect("it is a URL");
        url.set_ip_host(proxy.ip()).expect("a URL of PostgreSQL has a host");
        url.set_port(Some(proxy.port())).expect("a URL of PostgreSQL has a port");
        DatabaseSettings { url: url.as_str().into(), ..self.settings() }
    }

    /// The settings of another role of the server.
    pub fn settings_as(&self, role: &str, password: &str) -> DatabaseSettings {
        let mut url = Url::parse(&self.place.url).expect("it is a URL");
        url.set_username(role).expect("a URL of PostgreSQL has a role");
        url.set_password(Some(password)).expect("a URL of PostgreSQL has a password");
        DatabaseSettings { url: url.as_str().into(), ..self.settings() }
    }

    /// Where the server listens; `None` for SQLite.
    pub fn server(&self) -> Option<SocketAddr> {
        match &self.place.kind {
            Kind::Sqlite { .. } => None,
            Kind::Postgres { server, .. } => {
                server.socket_addrs(|| Some(5432)).expect("the host is known").first().copied()
            }
        }
    }

    /// Opens it with pools of its own, as another process would. Migrates.
    pub async fn open(&self, migrations: &[Migrations]) -> Database {
        Database::open(&self.settings(), migrations).await.expect("the test's database opens")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Kind::Postgres { server, name } = &self.kind {
            let (server, statement) =
                (server.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            // The runtime of the test may be ending.
            let dropped = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime can be started").block_on(execute(&server, statement));
            });
            if dropped.join().is_err() && !std::thread::panicking() {
                panic!("the test's database {name} was not dropped");
            }
        }
    }
}

async fn execute(server: &Url, statement: String) {
    let mut connection = PgConnection::connect(server.as_str())
        .await
        .unwrap_or_else(|error| panic!("TEST_DATABASE_URL is set, but PostgreSQL does not answer: {error}"));
    connection.execute(AssertSqlSafe(statement)).await.expect("databases may be created and dropped");
    connection.close().await.expect("PostgreSQL says goodbye");
}

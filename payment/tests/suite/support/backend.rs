//! SQLite always; PostgreSQL where `TEST_DATABASE_URL` (or `TEST_POSTGRES_URL`, as `infra/up` prints it) names one.
//! Each test gets databases of its own: files in a directory, or schemas that are dropped at the end.

use std::io::Write as _;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor};
use storage::{Database, DatabaseSettings};
use tempfile::TempDir;

pub(crate) struct Backend {
    /// Where SQLite's files and the local event log lie.
    pub(crate) directory: TempDir,
    postgres: Option<String>,
    schemas: std::sync::Mutex<Vec<String>>,
}

/// Runs the test on each database that there is.
pub(crate) async fn on_each(test: impl AsyncFn(&Backend)) {
    // Captured: a test that fails says on which of them.
    println!("on SQLite");
    let sqlite = Backend::new(None);
    test(&sqlite).await;
    if let Some(url) = postgres_url() {
        println!("on PostgreSQL");
        let postgres = Backend::new(Some(url));
        test(&postgres).await;
        postgres.drop_schemas().await;
    }
}

fn postgres_url() -> Option<String> {
    static ONCE: Once = Once::new();
    let url = ["TEST_DATABASE_URL", "TEST_POSTGRES_URL"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|url| url.starts_with("postgres"));
    if url.is_none() {
        ONCE.call_once(|| {
            // Past the capture of the test harness: who runs the tests has to see it also when they pass.
            let _ = writeln!(
                std::io::stderr(),
                "payment: TEST_DATABASE_URL names no PostgreSQL; only SQLite is covered by this run"
            );
        });
    }
    url
}

impl Backend {
    fn new(postgres: Option<String>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, postgres, schemas: std::sync::Mutex::default() }
    }

    /// The URL of an empty database called `name`; a second call with the same name gives the same one.
    pub(crate) async fn url(&self, name: &str) -> String {
        let Some(postgres) = &self.postgres else {
            return format!("sqlite://{}", self.directory.path().join(format!("{name}.db")).display());
        };
        let prefix = format!("{name}_");
        let known = self.schemas.lock().unwrap().iter().find(|schema| schema.starts_with(&prefix)).cloned();
        let schema = match known {
            Some(schema) => schema,
            None => {
                static NUMBER: AtomicU32 = AtomicU32::new(0);
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                let schema = format!("{prefix}{}_{number}", std::process::id());
                self.run(&format!("CREATE SCHEMA {schema}")).await;
                self.schemas.lock().unwrap().push(schema.clone());
                schema
            }
        };
        let separator = if postgres.contains('?') { '&' } else { '?' };
        format!("{postgres}{separator}options[search_path]={schema}")
    }

    /// payment's own database, migrated.
    pub(crate) async fn database(&self) -> Database {
        let url = self.url("payment").await;
        Database::open(&settings(url), &[messaging::MIGRATIONS, payment::outbound::sql::MIGRATIONS])
            .await
            .unwrap()
    }

    /// Nothing can be written there: PostgreSQL's disk is full, SQLite's file is somewhere else.
    pub(crate) async fn break_writes(&self, name: &str, tables: &[&str]) {
        if self.postgres.is_none() {
            return self.move_file(name, "db", "aside");
        }
        let schema = self.schema(name);
        self.run(&format!(
            "CREATE FUNCTION {schema}.is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
        ))
        .await;
        for table in tables {
            self.run(&format!(
                "CREATE TRIGGER is_full BEFORE INSERT OR UPDATE ON {schema}.{table} \
                 FOR EACH ROW EXECUTE FUNCTION {schema}.is_full()"
            ))
            .await;
        }
    }

    pub(crate) async fn mend_writes(&self, name: &str) {
        if self.postgres.is_none() {
            return self.move_file(name, "aside", "db");
        }
        self.run(&format!("DROP FUNCTION {}.is_full() CASCADE", self.schema(name))).await;
    }

    fn schema(&self, name: &str) -> String {
        let prefix = format!("{name}_");
        let schemas = self.schemas.lock().unwrap();
        schemas.iter().find(|schema| schema.starts_with(&prefix)).unwrap().clone()
    }

    fn move_file(&self, name: &str, from: &str, to: &str) {
        let path = |extension: &str| self.directory.path().join(format!("{name}.{extension}"));
        std::fs::rename(path(from), path(to)).unwrap();
    }

    async fn run(&self, statement: &str) {
        let url = self.postgres.as_ref().unwrap();
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn drop_schemas(&self) {
        let schemas = std::mem::take(&mut *self.schemas.lock().unwrap());
        for schema in schemas {
            self.run(&format!("DROP SCHEMA {schema} CASCADE")).await;
        }
    }
}

pub(crate) fn settings(url: String) -> DatabaseSettings {
    DatabaseSettings {
        url: url.into(),
        max_connections: 8,
        acquire_timeout_ms: 10_000,
        migrate: true,
        commit_delay_ms: 1,
        synchronous_commit: true,
        initialization_fail_timeout_ms: 10_000,
    }
}

//! What prevents a start is said at once, with its cause.

use std::path::{Path, PathBuf};

use sqlx::Executor;
use storage::{Database, DatabaseSettings, OpenError, Unusable};
use testkit::{Backend, TestDatabase};

use crate::TABLES;

async fn refusal(settings: &DatabaseSettings) -> String {
    let Err(error) = Database::open(settings, &[TABLES]).await else { panic!("opened {settings:?}") };
    let line = error.to_string();
    assert!(!line.contains("timed out") && !line.contains('\n'), "{line}");
    line
}

pub(crate) fn path_of(db: &TestDatabase) -> PathBuf {
    PathBuf::from(db.url().strip_prefix("sqlite://").unwrap())
}

fn at(db: &TestDatabase, path: &Path) -> DatabaseSettings {
    DatabaseSettings { url: format!("sqlite://{}", path.display()).into(), ..db.settings() }
}

#[test]
fn a_sqlite_file_that_is_none_is_named_with_the_reason() {
    testkit::run(Backend::Sqlite, async |db: TestDatabase| {
        let path = path_of(&db);
        std::fs::write(&path, "a text, long enough to be taken for the head of a database: ".repeat(20))
            .unwrap();
        assert!(refusal(&db.settings()).await.contains("file is not a database"));
        // A directory in the file's place, and a file in the directory's.
        assert!(refusal(&at(&db, path.parent().unwrap())).await.contains("is a directory"));
        assert!(refusal(&at(&db, &path.join("below.db"))).await.contains("cannot create directory"));
        std::fs::remove_file(&path).unwrap();

        db.open(&[TABLES]).await.close().await;
        let mut bytes = std::fs::read(&path).unwrap();
        // Behind the head of the file: its schema.
        bytes[100..].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        assert!(refusal(&db.settings()).await.contains("malformed"));
    });
}

#[test]
fn a_sqlite_file_that_cannot_be_written_is_named_with_the_reason() {
    testkit::run(Backend::Sqlite, async |db: TestDatabase| {
        db.open(&[TABLES]).await.close().await;
        let path = path_of(&db);
        for protected in [path.as_path(), path.parent().unwrap()] {
            let before = std::fs::metadata(protected).unwrap().permissions();
            let mut read_only = before.clone();
            read_only.set_readonly(true);
            std::fs::set_permissions(protected, read_only).unwrap();
            let opened = Database::open(&db.settings(), &[TABLES]).await;
            std::fs::set_permissions(protected, before).unwrap();
            match opened {
                Ok(_) => {
                    eprintln!("*** NOT covered: a read-only file; permissions do not bind this user ***")
                }
                Err(error) => {
                    let said = format!("'{}' may not be written: permission denied", protected.display());
                    assert!(error.to_string().contains(&said), "{error}");
                }
            }
        }
    });
}

#[test]
fn on_postgres_a_database_without_all_letters_is_refused() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let owner = db.open(&[]).await;
        let latin = format!("{}_latin1", db.url().rsplit('/').next().unwrap());
        let owners = async |statement: String| {
            owner.writer().await.unwrap().execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
        };
        owners(format!(
            "CREATE DATABASE {latin} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
        ))
        .await;
        let settings = DatabaseSettings { url: format!("{}_latin1", db.url()).into(), ..db.settings() };
        let opened = Database::open(&settings, &[TABLES]).await;
        owners(format!("DROP DATABASE {latin} WITH (FORCE)")).await;
        let Err(OpenError::Unusable(Unusable::Encoding { encoding, .. })) = opened else {
            panic!("opened a database in LATIN1")
        };
        assert_eq!(encoding, "LATIN1");
    });
}

#[test]
fn on_postgres_who_is_refused_hears_why() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let nowhere = DatabaseSettings { url: format!("{}_not_there", db.url()).into(), ..db.settings() };
        assert!(refusal(&nowhere).await.contains("does not exist"));
        assert!(refusal(&db.settings_as("nobody_at_all", "x")).await.contains("nobody_at_all"));

        // A session that the server does not set up as we want it.
        let odd =
            DatabaseSettings { url: format!("{}?options=-c%20no_such=1", db.url()).into(), ..db.settings() };
        assert!(refusal(&odd).await.contains("no_such"));

        let unknown = DatabaseSettings {
            url: "postgres://preorder@no-such-host.invalid/preorder".into(),
            initialization_fail_timeout_ms: 0,
            ..db.settings()
        };
        assert!(refusal(&unknown).await.contains("lookup address"));

        let encrypted =
            DatabaseSettings { url: format!("{}?sslmode=require", db.url()).into(), ..db.settings() };
        if let Err(error) = Database::open(&encrypted, &[]).await {
            assert!(error.to_string().contains("TLS"), "{error}");
        }
    });
}

use std::time::{Duration, Instant};

use sqlx::Executor;
use storage::{Database, Dialect, OpenError};
use testkit::{Backend, TestDatabase};

use crate::{BROKEN, TABLES};

async fn tally(database: &Database) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM tally").fetch_one(database.reader()).await.unwrap()
}

testkit::for_each_backend! {
    async fn run_once_however_often_it_is_opened(db: TestDatabase) {
        for _ in 0..3 {
            let database = db.open(&[TABLES]).await;
            assert_eq!(tally(&database).await, 1);
            database.close().await;
        }
    }

    /// Replicas that start at the same moment on a new database.
    async fn run_once_however_many_open_it_at_the_same_time(db: TestDatabase) {
        let opening: Vec<_> = (0..8)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { db.open(&[TABLES]).await })
            })
            .collect();
        for opened in opening {
            let database = opened.await.unwrap();
            assert_eq!(tally(&database).await, 1);
        }
    }

    async fn that_fail_say_so_at_once_and_leave_nothing(db: TestDatabase) {
        let start = Instant::now();
        let opened = Database::open(&db.settings(), &[TABLES, BROKEN]).await;
        let error = opened.err().unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "tried again what cannot succeed");
        assert!(matches!(error, OpenError::Migrate { .. }), "{error}");
        assert!(error.to_string().contains("no_such_table"), "{error}");

        let database = db.open(&[TABLES]).await;
        let left = sqlx::query("SELECT id FROM half_way").fetch_all(database.reader()).await;
        assert!(left.is_err(), "half a migration is there");
    }

    /// An empty database that answers is not one that works.
    async fn that_are_missing_and_must_not_run_end_the_start(db: TestDatabase) {
        let settings = storage::DatabaseSettings { migrate: false, ..db.settings() };
        let refused = Database::open(&settings, &[TABLES]).await.err().unwrap();
        assert!(matches!(refused, OpenError::Outdated { missing: 2, .. }), "{refused:?}");
        assert!(refused.to_string().starts_with("database.migrate is false"), "{refused}");
        let database = Database::open(&settings, &[]).await.unwrap();
        let left = sqlx::query("SELECT id FROM tally").fetch_all(database.reader()).await;
        assert!(left.is_err());

        db.open(&[TABLES]).await.close().await;
        let database = Database::open(&settings, &[TABLES]).await.unwrap();
        assert_eq!(tally(&database).await, 1);
    }

    /// During a rolling update, and after a way back.
    async fn of_a_newer_release_do_not_end_the_start(db: TestDatabase) {
        let newer = db.open(&[TABLES]).await;
        let ledger = match newer.dialect() {
            Dialect::Sqlite => "INSERT INTO _sqlx_migrations SELECT 4711, 'newer', installed_on, success, x'01', 1 FROM _sqlx_migrations WHERE version = 900",
            Dialect::Postgres => {
                "INSERT INTO _sqlx_migrations SELECT 4711, 'newer', installed_on, success, '1', 1 FROM _sqlx_migrations WHERE version = 900"
            }
        };
        newer.writer().await.unwrap().execute(ledger).await.unwrap();
        assert_eq!(tally(&db.open(&[TABLES]).await).await, 1);
    }

    async fn of_another_service_end_the_start(db: TestDatabase) {
        let theirs = db.open(&[TABLES]).await;
        let change = match theirs.dialect() {
            Dialect::Sqlite => "UPDATE _sqlx_migrations SET checksum = x'01'",
            Dialect::Postgres => "UPDATE _sqlx_migrations SET checksum = '1'",
        };
        theirs.writer().await.unwrap().execute(change).await.unwrap();
        for migrate in [true, false] {
            let settings = storage::DatabaseSettings { migrate, ..db.settings() };
            let refused = Database::open(&settings, &[TABLES]).await.err().unwrap();
            assert!(refused.to_string().contains("another service's"), "{refused}");
        }
    }
}

/// Nothing to migrate: nothing to be allowed.
#[test]
fn on_postgres_need_no_rights_where_none_is_missing() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        // The database's name is one of a kind.
        let role = format!("of_{}", db.url().rsplit('/').next().unwrap());
        let database = db.open(&[TABLES]).await;
        let owner = async |statement: String| {
            database.writer().await.unwrap().execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
        };
        owner(format!("CREATE ROLE {role} LOGIN PASSWORD 'x'")).await;
        let settings = db.settings_as(&role, "x");

        owner(format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")).await;
        Database::open(&settings, &[TABLES]).await.unwrap().close().await;
        owner("DELETE FROM _sqlx_migrations".into()).await;
        let refused = Database::open(&settings, &[TABLES]).await.err().unwrap().to_string();
        assert!(refused.contains("permission denied") && refused.contains("database.migrate"), "{refused}");

        owner(format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}

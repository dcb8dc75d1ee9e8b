//! Health is what real work says.

use sqlx::{AssertSqlSafe, Executor};
use storage::{Database, DatabaseSettings, is_unavailable};
use testkit::{Backend, SOON, TestDatabase, eventually, until};

use crate::TABLES;
use crate::opening::path_of;

const PROBE: &str = "UPDATE tally SET n = n + 1 WHERE id = 1";
const LARGE: &str = "INSERT INTO thing (owner, price, gone) \
     WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 100000) SELECT n, n, 1 FROM r";

async fn write(database: &Database, statement: &'static str) -> Result<(), sqlx::Error> {
    database.writer().await?.execute(statement).await.map(drop)
}

async fn is_down(database: &Database) -> String {
    until("health says that it is down", SOON, async || database.check(&[PROBE]).await.err()).await
}

async fn is_up(database: &Database) {
    eventually("health says that it is up", SOON, async || database.check(&[PROBE]).await.is_ok()).await;
}

testkit::for_each_backend! {
    async fn is_up_while_statements_fail_for_reasons_of_their_own(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        for statement in ["INSERT INTO tally (id, n) VALUES (1, 1)", "THIS IS NOT SQL"] {
            write(&database, statement).await.unwrap_err();
            assert_eq!(database.check(&[PROBE]).await, Ok(()));
        }
        let mut tx = database.begin().await.unwrap();
        tx.execute("INSERT INTO tally (id, n) VALUES (1, 1)").await.unwrap_err();
        drop(tx);
        assert_eq!(database.check(&[PROBE]).await, Ok(()));
    }

    async fn is_down_while_nobody_gets_a_connection(db: TestDatabase) {
        let settings = DatabaseSettings { max_connections: 1, acquire_timeout_ms: 2_000, ..db.settings() };
        let database = Database::open(&settings, &[TABLES]).await.unwrap();
        let held = database.begin().await.unwrap();
        write(&database, PROBE).await.unwrap_err();
        assert!(is_down(&database).await.contains("timed out"));
        held.commit().await.unwrap();
        is_up(&database).await;
    }
}

#[test]
fn on_sqlite_is_down_on_a_full_disk_and_up_with_space_again() {
    testkit::run(Backend::Sqlite, async |db: TestDatabase| {
        let database = db.open(&[TABLES]).await;
        write(&database, "PRAGMA max_page_count = 1").await.unwrap();
        // A small change finds room, and says nothing of the large one.
        write(&database, LARGE).await.unwrap_err();
        write(&database, PROBE).await.unwrap();
        assert!(is_down(&database).await.contains("full"));

        // Nobody says why a transaction was given up: the probe finds out.
        is_up(&database).await;
        let mut tx = database.begin().await.unwrap();
        tx.execute(LARGE).await.unwrap_err();
        drop(tx);
        let large = "INSERT INTO thing (owner, price, gone) \
             WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 100000) SELECT n, n, 1 FROM r";
        let down = until("the probe finds out", SOON, async || database.check(&[large]).await.err());
        assert!(down.await.contains("full"));

        write(&database, "PRAGMA max_page_count = 1000000").await.unwrap();
        is_up(&database).await;
        write(&database, LARGE).await.unwrap();
    });
}

/// What lies in files that nobody can find is lost with the process.
#[test]
fn on_sqlite_nothing_is_written_into_files_that_are_gone() {
    testkit::run(Backend::Sqlite, async |db: TestDatabase| {
        let database = db.open(&[TABLES]).await;
        let path = path_of(&db);
        let wal = path.with_extension("db-wal");
        let aside = path.with_extension("aside");
        for file in [&path, &wal] {
            let open = database.begin().await.unwrap();
            std::fs::rename(file, &aside).unwrap();
            assert!(is_down(&database).await.contains("deleted, moved or replaced"));
            // Both: what began before, and what begins now.
            for refused in [open.commit().await.unwrap_err(), write(&database, PROBE).await.unwrap_err()] {
                assert!(is_unavailable(&refused) && refused.to_string().contains("deleted"), "{refused}");
            }
            assert!(database.begin().await.is_err() && database.begin_for(1).await.is_err());
            assert!(!file.exists(), "an empty one was left in its place");
            std::fs::copy(&aside, file).unwrap();
            write(&database, PROBE).await.unwrap_err();
            std::fs::rename(&aside, file).unwrap();
            is_up(&database).await;
            write(&database, PROBE).await.unwrap();
        }
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert!(is_down(&database).await.contains("deleted"));
        write(&database, PROBE).await.unwrap_err();
    });
}

#[test]
fn on_postgres_is_down_while_it_is_read_only() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let (database, operator) = (db.open(&[TABLES]).await, db.open(&[]).await);
        let name = db.url().rsplit('/').next().unwrap().to_owned();
        // Only sessions that begin later hear of it.
        let read_only = async |on: &str| {
            for statement in [
                format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}"),
                format!(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                     WHERE datname = '{name}' AND pid <> pg_backend_pid()"
                ),
            ] {
                operator.writer().await.unwrap().execute(AssertSqlSafe(statement)).await.unwrap();
            }
        };
        read_only("on").await;
        eventually("a write fails for it", SOON, async || {
            write(&database, PROBE).await.is_err_and(|error| error.to_string().contains("read-only"))
        })
        .await;
        assert!(is_down(&database).await.contains("read-only"));
        read_only("off").await;
        is_up(&database).await;
        write(&database, PROBE).await.unwrap();
    });
}

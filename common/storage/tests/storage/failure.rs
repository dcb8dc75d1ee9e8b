use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, SqliteConnection};
use storage::{Database, DatabaseSettings, OpenError, Unusable, is_unavailable};
use testkit::{Backend, Network, SOON, TcpProxy, TestDatabase, eventually};

use crate::TABLES;

async fn failure(database: &Database, statement: &'static str) -> sqlx::Error {
    match database.writer().await {
        Ok(writer) => writer.execute(statement).await.unwrap_err(),
        Err(error) => error,
    }
}

testkit::for_each_backend! {
    async fn what_a_statement_did_wrong_is_its_own_fault(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        for statement in [
            "INSERT INTO tally (id, n) VALUES (1, 1)",
            "INSERT INTO tally (id, n) VALUES (2, NULL)",
            "SELECT n FROM no_such_table",
            "THIS IS NOT SQL",
        ] {
            let error = failure(&database, statement).await;
            assert!(!is_unavailable(&error), "{statement}: {error:?}");
        }
    }

    async fn a_closed_pool_is_nobodys_fault(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        database.close().await;
        assert!(is_unavailable(&failure(&database, "SELECT 1").await));
        assert!(is_unavailable(&database.begin().await.unwrap_err()));
    }

    async fn a_pool_without_a_free_connection_is_nobodys_fault(db: TestDatabase) {
        // Long enough to connect on a busy machine: opening waits no longer than that either.
        let settings =
            DatabaseSettings { max_connections: 1, acquire_timeout_ms: 2000, ..db.settings() };
        let database = Database::open(&settings, &[TABLES]).await.unwrap();
        let _held = database.begin().await.unwrap();
        assert!(is_unavailable(&database.begin().await.unwrap_err()));
    }
}

#[test]
fn on_sqlite_a_lock_and_a_full_disk_are_nobodys_fault() {
    testkit::run(Backend::Sqlite, async |db: TestDatabase| {
        let database = db.open(&[TABLES]).await;
        let tx = database.begin().await.unwrap();
        let mut impatient = SqliteConnection::connect(db.url()).await.unwrap();
        impatient.execute("PRAGMA busy_timeout = 0").await.unwrap();
        let busy = impatient.execute("BEGIN IMMEDIATE").await.unwrap_err();
        assert!(is_unavailable(&busy), "{busy:?}");
        drop(tx);

        database.writer().await.unwrap().execute("PRAGMA max_page_count = 1").await.unwrap();
        let full = failure(
            &database,
            "INSERT INTO thing (owner, price, gone) \
             WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 100000) SELECT n, n, 1 FROM r",
        );
        let full = full.await;
        assert!(is_unavailable(&full), "{full:?}");
    });
}

#[test]
fn on_postgres_what_the_server_does_is_nobodys_fault() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let (database, operator) = (db.open(&[TABLES]).await, db.open(&[]).await);

        let mut tx = database.begin().await.unwrap();
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *tx).await.unwrap();
        sqlx::query("SELECT pg_terminate_backend($1)")
            .bind(pid)
            .execute(operator.writer().await.unwrap())
            .await
            .unwrap();
        let terminated = sqlx::query("SELECT 1").execute(&mut *tx).await.unwrap_err();
        assert!(is_unavailable(&terminated), "{terminated:?}");
        drop(tx);

        let mut tx = database.begin().await.unwrap();
        tx.execute("SET TRANSACTION READ ONLY").await.unwrap();
        let read_only = tx.execute("UPDATE tally SET n = 1").await.unwrap_err();
        assert!(is_unavailable(&read_only), "{read_only:?}");
        drop(tx);

        let mut tx = database.begin().await.unwrap();
        tx.execute("UPDATE tally SET n = 1").await.unwrap();
        let mut waiting = operator.begin().await.unwrap();
        waiting.execute("SET LOCAL lock_timeout = 50").await.unwrap();
        let locked = waiting.execute("UPDATE tally SET n = 2").await.unwrap_err();
        assert!(is_unavailable(&locked), "{locked:?}");
    });
}

#[test]
fn on_postgres_a_server_that_is_being_set_up_is_nobodys_fault() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        for (from, to) in [("/test_", "/no_such_"), ("//postgres@", "//nobody@")] {
            let url = db.url().replace(from, to);
            if url == db.url() {
                continue;
            }
            let settings = DatabaseSettings { url: url.into(), ..db.settings() };
            match Database::open(&settings, &[]).await {
                Err(OpenError::Unusable(Unusable::Connect { source, .. })) => {
                    assert!(is_unavailable(&source), "{source:?}");
                }
                _ => panic!("opened what is not there"),
            }
        }
    });
}

#[test]
fn on_postgres_a_start_waits_for_a_server_that_comes_later() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let proxy = TcpProxy::to(db.server().unwrap()).await;
        let settings = DatabaseSettings { acquire_timeout_ms: 200, ..db.settings_through(proxy.address()) };
        for interrupt in [Network::Resets, Network::Freezes] {
            proxy.set(interrupt).await;
            let impatient = DatabaseSettings { initialization_fail_timeout_ms: 0, ..settings.clone() };
            match Database::open(&impatient, &[TABLES]).await {
                Err(OpenError::Unusable(Unusable::Connect { source, .. })) => {
                    assert!(is_unavailable(&source), "{source:?}")
                }
                _ => panic!("opened what is not there"),
            }
            let (start, longer_than_one_attempt) = (Instant::now(), Duration::from_millis(600));
            let tables = [TABLES];
            let patient = Database::open(&settings, &tables);
            let (opened, ()) = tokio::join!(patient, async {
                eventually("it tries again", SOON, async || start.elapsed() > longer_than_one_attempt).await;
                proxy.set(Network::Passes).await;
            });
            opened.unwrap().close().await;
        }
    });
}

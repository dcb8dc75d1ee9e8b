use std::time::Duration;

use storage::Database;
use testkit::{Backend, SOON, TestDatabase, until};

use crate::TABLES;

async fn n(database: &Database) -> i64 {
    sqlx::query_scalar("SELECT n FROM tally WHERE id = 1").fetch_one(database.reader()).await.unwrap()
}

/// Reads, thinks, writes.
async fn increment(database: &Database) {
    let mut tx = database.begin().await.unwrap();
    let n: i64 = sqlx::query_scalar("SELECT n FROM tally WHERE id = 1").fetch_one(&mut *tx).await.unwrap();
    tokio::task::yield_now().await;
    sqlx::query("UPDATE tally SET n = $1 WHERE id = 1").bind(n + 1).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// A deferred transaction would read, and then find that another process has written since.
#[test]
fn on_sqlite_who_reads_before_writing_loses_no_update() {
    testkit::run(Backend::Sqlite, async |db: TestDatabase| {
        let processes = [db.open(&[TABLES]).await, db.open(&[]).await];
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let database = processes[writer % 2].clone();
                tokio::spawn(async move {
                    for _ in 0..10 {
                        increment(&database).await;
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(n(&processes[0]).await, 80);
    });
}

#[test]
fn on_sqlite_a_reader_cannot_write_and_does_not_wait_for_the_writer() {
    testkit::run(Backend::Sqlite, async |db: TestDatabase| {
        let database = db.open(&[TABLES]).await;
        let mut tx = database.begin().await.unwrap();
        sqlx::query("UPDATE tally SET n = 7").execute(&mut *tx).await.unwrap();
        let seen = tokio::time::timeout(Duration::from_secs(5), n(&database)).await;
        assert_eq!(seen.expect("reading does not wait"), 0);
        tx.commit().await.unwrap();
        assert_eq!(n(&database).await, 7);
        let written = sqlx::query("UPDATE tally SET n = 8").execute(database.reader()).await;
        assert!(written.is_err());
    });
}

#[test]
fn on_sqlite_commits_wait_for_the_disk() {
    testkit::run(Backend::Sqlite, async |db: TestDatabase| {
        let database = db.open(&[TABLES]).await;
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(database.writer().await.unwrap())
            .await
            .unwrap();
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(database.writer().await.unwrap())
            .await
            .unwrap();
        assert_eq!((synchronous, journal.as_str()), (2, "wal"));
    });
}

testkit::for_each_backend! {
    async fn that_are_dropped_leave_nothing_and_nobody_waiting(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        for _ in 0..50 {
            let mut tx = database.begin().await.unwrap();
            sqlx::query("UPDATE tally SET n = n + 1").execute(&mut *tx).await.unwrap();
            drop(tx);
        }
        assert_eq!(n(&database).await, 0);
        increment(&database).await;
        assert_eq!(n(&database).await, 1);
    }

    /// `tokio::select!` and timeouts drop futures anywhere.
    async fn that_are_interrupted_anywhere_block_nobody(db: TestDatabase) {
        let (database, other) = (db.open(&[TABLES]).await, db.open(&[]).await);
        for micros in (0..3000).step_by(50) {
            let _ = tokio::time::timeout(Duration::from_micros(micros), increment(&database)).await;
        }
        // Waits for its row: an interrupted commit that was already on its way is through.
        increment(&database).await;
        let before = n(&database).await;
        increment(&other).await;
        increment(&database).await;
        assert_eq!(n(&database).await, before + 2);
    }
}

testkit::for_each_backend! {
    /// sqlx's pool has them back only after a question: a round trip for each statement.
    async fn connections_come_back_with_the_answer(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        increment(&database).await;
        let idle = database.reader().num_idle();
        n(&database).await;
        let idle = idle.max(1);
        assert_eq!(database.reader().num_idle(), idle);
        n(&database).await;
        assert_eq!(database.reader().num_idle(), idle);
        database.close().await;
        assert_eq!(database.reader().num_idle(), 0);
    }

    /// Its connection may be in the middle of an answer.
    async fn a_query_that_is_interrupted_is_not_in_the_way_of_the_next(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        for micros in (0..2000).step_by(50) {
            let count = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 2000) SELECT n FROM r";
            let many = sqlx::query(count).fetch_all(database.reader());
            let _ = tokio::time::timeout(Duration::from_micros(micros), many).await;
            assert_eq!(n(&database).await, 0);
        }
    }
}

/// Nobody has analysed it yet: a pre-sale begins with empty tables.
#[test]
fn on_postgres_a_new_table_is_read_by_its_index() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let database = db.open(&[TABLES]).await;
        let mut tx = database.begin().await.unwrap();
        let many = "INSERT INTO thing (owner, price, gone) SELECT n, n, 1 FROM generate_series(1, 2000) AS n";
        sqlx::query(many).execute(&mut *tx).await.unwrap();
        let mut plan = async |statement: &str| {
            let text = sqlx::AssertSqlSafe(format!("EXPLAIN {statement}"));
            let lines: Vec<String> = sqlx::query_scalar(text).fetch_all(&mut *tx).await.unwrap();
            lines.join("\n")
        };
        let rows: Vec<String> = (1..=64).map(|id| format!("({id}, {id})")).collect();
        let update = format!(
            "UPDATE thing SET price = new.price FROM (VALUES {}) AS new (id, price) WHERE thing.id = new.id",
            rows.join(", ")
        );
        for statement in
            [&update, "SELECT owner FROM thing WHERE price = 0 AND id NOT IN (3, 4) ORDER BY id LIMIT 512"]
        {
            let plan = plan(statement).await;
            assert!(plan.contains("Index Scan using thing_pkey"), "{plan}");
            let whole = ["Seq Scan on thing", "Hash Join", "Merge Join"];
            assert!(!whole.iter().any(|step| plan.contains(step)), "{plan}");
        }
        let dear = plan("SELECT MIN(n) FROM tally").await;
        assert!(!dear.contains("JIT"), "{dear}");
    });
}

/// A row comes before the commit, which may fail.
#[test]
fn on_postgres_a_row_is_believed_once_it_is_committed() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let database = db.open(&[TABLES]).await;
        let table = "CREATE TABLE late (id BIGINT UNIQUE DEFERRABLE INITIALLY DEFERRED)";
        sqlx::query(table).execute(database.writer().await.unwrap()).await.unwrap();
        for fits in [true, false] {
            let insert = sqlx::query_scalar::<_, i64>("INSERT INTO late (id) VALUES (1) RETURNING id");
            let inserted = insert.fetch_one(database.writer().await.unwrap()).await;
            assert_eq!(inserted.is_ok(), fits);
        }
    });
}

/// A replica that was stopped in the middle of a transaction must not hold its locks for ever.
#[test]
fn on_postgres_locks_of_one_who_does_nothing_end() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let (database, other) = (db.open(&[TABLES]).await, db.open(&[]).await);
        let limit: String = sqlx::query_scalar("SHOW idle_in_transaction_session_timeout")
            .fetch_one(database.reader())
            .await
            .unwrap();
        assert_eq!(limit, "15s");

        let mut stopped = database.begin().await.unwrap();
        sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 200")
            .execute(&mut *stopped)
            .await
            .unwrap();
        sqlx::query("UPDATE tally SET n = 1").execute(&mut *stopped).await.unwrap();
        tokio::time::timeout(SOON, increment(&other)).await.expect("the lock ends");
        let late = sqlx::query("UPDATE tally SET n = 1").execute(&mut *stopped).await;
        assert!(storage::is_unavailable(&late.unwrap_err()));
    });
}

/// The first caller after an outage is not the one who finds out that the connections are dead.
#[test]
fn on_postgres_connections_that_died_while_idle_fail_nobody() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let proxy = testkit::TcpProxy::to(db.server().unwrap()).await;
        let database = Database::open(&db.settings_through(proxy.address()), &[TABLES]).await.unwrap();
        let busy: Vec<_> = {
            let mut all = Vec::new();
            for _ in 0..4 {
                all.push(database.begin().await.unwrap());
            }
            all
        };
        drop(busy);
        until("all are idle", SOON, async || (database.reader().num_idle() == 4).then_some(())).await;
        proxy.set(testkit::Network::Resets).await;
        // As long as an outage takes, at least.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        proxy.set(testkit::Network::Passes).await;
        for _ in 0..4 {
            database.ping().await.unwrap();
            increment(&database).await;
        }
    });
}

#[test]
fn on_postgres_closing_does_not_wait_for_a_server_that_is_silent() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let proxy = testkit::TcpProxy::to(db.server().unwrap()).await;
        let database = Database::open(&db.settings_through(proxy.address()), &[TABLES]).await.unwrap();
        let tx = database.begin().await.unwrap();
        proxy.set(testkit::Network::Freezes).await;
        drop(tx);
        // The connection is on its way back, and waits for an answer.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let closed = tokio::time::timeout(Duration::from_secs(20), database.close()).await;
        closed.expect("closing ends");
    });
}

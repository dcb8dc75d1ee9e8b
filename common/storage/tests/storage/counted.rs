use sqlx::Executor;
use storage::{Counted, Database, Dialect, Migrations};
use testkit::TestDatabase;

use crate::TABLES;

/// The tables before anybody counted them.
static UNCOUNTED: Migrations = storage::migrations!("tests/migrations");
/// Another table of the same database, whose every row counts.
static LEASES: Migrations = TABLES.counting(&[
    Counted { version: 901, table: "thing", column: "gone", is: "= 0" },
    Counted { version: 903, table: "lease", column: "name", is: "IS NOT NULL" },
]);

async fn run(database: &Database, statement: &'static str) {
    database.writer().await.unwrap().execute(statement).await.unwrap();
}

async fn counted(database: &Database, table: &str) -> i64 {
    let text = "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM row_count WHERE name = $1";
    sqlx::query_scalar(text).bind(table.to_owned()).fetch_one(database.reader()).await.unwrap()
}

testkit::for_each_backend! {
    async fn the_counter_follows_whatever_is_written(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        assert_eq!(counted(&database, "thing").await, 0);
        for (statement, expected) in [
            ("INSERT INTO thing (owner, price, gone) VALUES (1, 1, 0), (1, 2, 0), (2, 3, 1), (2, 4, NULL)", 2),
            ("UPDATE thing SET price = price + 1", 2),
            ("UPDATE thing SET gone = 1 WHERE price = 2", 1),
            ("UPDATE thing SET gone = NULL WHERE gone = 1", 1),
            ("UPDATE thing SET gone = 0", 4),
            ("INSERT INTO thing (id, owner, price, gone) VALUES (1, 1, 1, 0) ON CONFLICT (id) DO UPDATE SET gone = 1", 3),
            ("DELETE FROM thing WHERE owner = 1", 2),
            ("DELETE FROM thing", 0),
        ] {
            run(&database, statement).await;
            assert_eq!(counted(&database, "thing").await, expected, "{statement}");
        }
        let mut tx = database.begin().await.unwrap();
        tx.execute("INSERT INTO thing (owner, price, gone) VALUES (1, 1, 0)").await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(counted(&database, "thing").await, 0);
    }

    /// A table that is older than its counter, beside a `row_count` that an older migration has made.
    async fn what_is_there_already_is_counted(db: TestDatabase) {
        let database = db.open(&[UNCOUNTED]).await;
        run(&database, "INSERT INTO thing (owner, price, gone) VALUES (1, 1, 0), (1, 2, 0), (2, 3, 1)").await;
        run(&database, "CREATE TABLE row_count (name TEXT NOT NULL, slot INTEGER NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (name, slot))").await;
        run(&database, "INSERT INTO row_count (name, slot, n) VALUES ('receipt', 0, 7)").await;
        database.close().await;

        let database = db.open(&[TABLES]).await;
        run(&database, "INSERT INTO thing (owner, price, gone) VALUES (1, 1, 0)").await;
        assert_eq!(counted(&database, "thing").await, 3);
        assert_eq!(counted(&database, "receipt").await, 7);
        database.close().await;

        let database = db.open(&[LEASES]).await;
        run(&database, "INSERT INTO lease (name, holder, beat) VALUES ('a', 'b', 1)").await;
        assert_eq!((counted(&database, "thing").await, counted(&database, "lease").await), (3, 1));
    }

    /// The text of a counter is part of the ledger, like that of a file.
    async fn an_id_is_the_databases_own_in_a_text_for_both(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        run(&database, "INSERT INTO thing (owner, price, gone) VALUES (1, 1, 0), (1, 2, 0)").await;
        run(&database, "DELETE FROM thing").await;
        run(&database, "INSERT INTO thing (owner, price, gone) VALUES (1, 1, 0)").await;
        let id: i64 = sqlx::query_scalar("SELECT id FROM thing").fetch_one(database.reader()).await.unwrap();
        assert_eq!(id, 3, "an id is never given twice");
        let applied = match database.dialect() {
            Dialect::Sqlite => "SELECT COUNT(*) FROM _sqlx_migrations WHERE version IN (900, 901) AND success = 1",
            Dialect::Postgres => "SELECT COUNT(*) FROM _sqlx_migrations WHERE version IN (900, 901) AND success",
        };
        let applied: i64 = sqlx::query_scalar(applied).fetch_one(database.reader()).await.unwrap();
        assert_eq!(applied, 2);
    }
}

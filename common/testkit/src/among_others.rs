//! Whether the rows of one owner are found without reading those of others.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Row};
use storage::{Database, Dialect};

/// The owner whose rows are looked for.
const OWNER: i64 = 3;
const OWN_ROWS: i64 = 5;

/// A table whose rows belong to the user in the column `user_id`.
pub struct AmongOthers<'a> {
    pub table: &'a str,
    /// Which rows are listed, letter for letter as in the indexes.
    pub listed: &'a str,
    /// The columns that a list of one owner may be ordered by.
    pub orders: &'a [&'a str],
    /// Each column that a row needs, besides `user_id`, and its value in row number `i`.
    pub columns: &'a [(&'a str, &'a str)],
}

impl AmongOthers<'_> {
    /// Fills the table, and asks the database how it would read a page of the owner's rows in each order, and their total.
    /// `OWNERS_ROWS` says how many rows others have; how long each reading takes is printed.
    ///
    /// # Panics
    /// A page is read along an index of everybody's rows.
    pub async fn are_passed_by(&self, database: &Database) {
        let rows: i64 =
            std::env::var("OWNERS_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(20_000);
        self.fill(database, rows).await;
        let Self { table, listed, orders, .. } = self;
        let own = format!("FROM {table} WHERE {listed} AND user_id = {OWNER}");
        let page = |order: &&str| {
            ["ASC", "DESC"].map(|direction| {
                let by = if *order == "id" { String::new() } else { format!("{order} {direction}, ") };
                format!("SELECT * {own} ORDER BY {by}id {direction} LIMIT 20 OFFSET 0")
            })
        };
        let total = format!("SELECT COUNT(*) {own}");
        for text in orders.iter().flat_map(page).chain([total]) {
            let plan = plan(database, &text).await;
            let by_owner = match database.dialect() {
                Dialect::Sqlite => plan.contains("(user_id=?"),
                Dialect::Postgres => plan.contains("Index Cond: (user_id = "),
            };
            assert!(by_owner, "{text} reads rows of others:\n{plan}");
            println!("{:?} {rows} rows: {:?} {text}", database.dialect(), fastest(database, &text).await);
        }
    }

    async fn fill(&self, database: &Database, rows: i64) {
        let mut tx = database.begin().await.expect("a transaction begins");
        if database.dialect() == Dialect::Postgres {
            // What triggers count is not what is asked for, and a million firings take minutes.
            sqlx::query("SET LOCAL session_replication_role = replica")
                .execute(&mut *tx)
                .await
                .expect("a superuser");
        }
        let (columns, values): (Vec<_>, Vec<_>) = self.columns.iter().copied().unzip();
        let (table, columns, values, every) =
            (self.table, columns.join(", "), values.join(", "), rows / OWN_ROWS);
        let text = format!(
            "INSERT INTO {table} (user_id, {columns}) \
             WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             SELECT CASE WHEN i % {every} = 0 THEN {OWNER} ELSE 10 + i % 1000 END, {values} FROM n"
        );
        sqlx::query(AssertSqlSafe(text))
            .execute(&mut *tx)
            .await
            .expect("the rows are as the table wants them");
        tx.commit().await.expect("it commits");
        if database.dialect() == Dialect::Postgres {
            // As autovacuum does.
            let text = format!("VACUUM ANALYZE {table}");
            let writer = database.writer().await.expect("there is one");
            sqlx::query(AssertSqlSafe(text)).execute(writer).await.expect("the table is there");
        }
    }
}

async fn plan(database: &Database, text: &str) -> String {
    let (explain, column) = match database.dialect() {
        Dialect::Sqlite => ("EXPLAIN QUERY PLAN", 3),
        Dialect::Postgres => ("EXPLAIN", 0),
    };
    let query = sqlx::query(AssertSqlSafe(format!("{explain} {text}")));
    let steps = query.fetch_all(database.reader()).await.expect("the statement is right");
    let steps: Vec<String> = steps.iter().map(|step| step.get(column)).collect();
    steps.join("\n")
}

async fn fastest(database: &Database, text: &str) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        let begun = Instant::now();
        let query = sqlx::query(AssertSqlSafe(text.to_owned()));
        query.fetch_all(database.reader()).await.expect("the statement is right");
        fastest = fastest.min(begun.elapsed());
    }
    fastest
}

//! Statements, transactions and WAL flushes of PostgreSQL, from its own statistics.

use std::time::Duration;

use sqlx::Row;

use crate::counts::Counters;
use harness::Error;
use harness::ground::Ground;
use harness::infra::Infra;

/// A backend that has nothing to do hands in its statistics after ten seconds at the latest.
const HANDED_IN: Duration = Duration::from_millis(10_500);

const STATEMENTS: &str = "SELECT d.datname AS name, CAST(COALESCE(SUM(s.calls), 0) AS BIGINT) AS n
    FROM pg_database d LEFT JOIN pg_stat_statements s ON s.dbid = d.oid WHERE d.datname = ANY($1) GROUP BY d.datname";
const TRANSACTIONS: &str =
    "SELECT datname AS name, xact_commit AS n FROM pg_stat_database WHERE datname = ANY($1)";
/// PostgreSQL 14 to 17, and from 18 on.
const FSYNCS: [&str; 2] = [
    "SELECT wal_sync FROM pg_stat_wal",
    "SELECT CAST(COALESCE(SUM(fsyncs), 0) AS BIGINT) FROM pg_stat_io WHERE object = 'wal'",
];

/// Waits until the statistics are complete, and reads them: `statements.payment`, `transactions.payment`, `fsyncs`.
///
/// # Errors
/// PostgreSQL's.
pub async fn read(infra: &Infra, ground: &Ground) -> Result<Counters, Error> {
    tokio::time::sleep(HANDED_IN).await;
    let mut counters = Counters::default();
    let databases: Vec<(String, String)> = ground
        .databases()
        .iter()
        .map(|(name, url)| (url.rsplit('/').next().unwrap_or_default().to_owned(), (*name).to_owned()))
        .collect();
    let names: Vec<String> = databases.iter().map(|(database, _)| database.clone()).collect();
    for (kind, query) in [("statements", STATEMENTS), ("transactions", TRANSACTIONS)] {
        let rows =
            sqlx::query(query).bind(&names).fetch_all(infra.admin()).await.map_err(Error::sql(kind))?;
        for row in rows {
            let database: String = row.try_get("name").map_err(Error::sql(kind))?;
            let n: i64 = row.try_get("n").map_err(Error::sql(kind))?;
            let service = databases.iter().find(|(name, _)| *name == database).map(|(_, service)| service);
            if let Some(service) = service {
                counters.0.insert(format!("{kind}.{service}"), n as f64);
            }
        }
    }
    counters.0.insert("fsyncs".to_owned(), fsyncs(infra).await? as f64);
    Ok(counters)
}

async fn fsyncs(infra: &Infra) -> Result<i64, Error> {
    let [until_17, from_18] = FSYNCS;
    match sqlx::query_scalar(until_17).fetch_one(infra.admin()).await {
        Ok(n) => Ok(n),
        Err(_) => sqlx::query_scalar(from_18).fetch_one(infra.admin()).await.map_err(Error::sql("fsyncs")),
    }
}

/// The statements that a service ran most often, with their calls: where to look when a limit is passed.
///
/// # Errors
/// PostgreSQL's.
pub async fn busiest(
    infra: &Infra,
    ground: &Ground,
    service: &str,
    n: i64,
) -> Result<Vec<(String, i64)>, Error> {
    let database = ground.database(service).and_then(|url| url.rsplit('/').next()).unwrap_or_default();
    let rows = sqlx::query(
        "SELECT regexp_replace(s.query, '\\s+', ' ', 'g') AS text, s.calls AS n FROM pg_stat_statements s
         JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = $1 ORDER BY s.calls DESC, 1 LIMIT $2",
    )
    .bind(database)
    .bind(n)
    .fetch_all(infra.admin())
    .await
    .map_err(Error::sql("statements"))?;
    let read = |row: &sqlx::postgres::PgRow| Ok((row.try_get("text")?, row.try_get("n")?));
    rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Error::sql("statements"))
}

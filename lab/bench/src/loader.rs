//! Rows without reservations: facts straight into the topic, rows straight into the databases.
//!
//! A million reservations over HTTP take ten minutes. The facts published here are those that a million reservations
//! would have left, so receipt and the view fill themselves from them; the rows of prereservation and payment, which
//! read no such facts, come from `lab/bench/sql/*.sql`.

use std::time::Duration;

use events::{Event, PaymentCreated, ReceiptCreated, ReservationCreated};
use messaging::Record;
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{AssertSqlSafe, Executor};

use crate::reservations::USERS;
use harness::Error;
use harness::Service;
use harness::ground::Ground;

const BATCH: usize = 1000;
/// A trigger counts the rows in one row of its own; each of its versions is in the way of the next until the transaction ends.
const LARGEST_INSERT: i64 = 1000;
/// 2026-01-01; rows get milliseconds after it.
const BEGIN_MS: i64 = 1_767_225_600_000;
const DELIVERY: Duration = Duration::from_secs(21 * 24 * 3600);

/// Whose facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    Reservation,
    Payment,
    Receipt,
}

/// Publishes one fact of each kind for the reservations `first..first + n`, as their services would have.
///
/// # Errors
/// The log refuses.
pub async fn publish(ground: &Ground, first: i64, n: u64, facts: &[Fact]) -> Result<(), Error> {
    let log = ground.open_log().await?;
    let topic = &ground.event_log.topic;
    log.ensure_topic(topic).await.map_err(|e| Error::EventLog(e.to_string()))?;
    let mut batch = Vec::with_capacity(BATCH + facts.len());
    for id in first..first + n as i64 {
        batch.extend(facts.iter().map(|fact| record(topic, *fact, id)));
        if batch.len() >= BATCH || id + 1 == first + n as i64 {
            for result in log.publish(&batch).await {
                result.map_err(|e| Error::EventLog(e.to_string()))?;
            }
            batch.clear();
        }
    }
    log.flush_and_close().await;
    Ok(())
}

/// Inserts `n` reservations and their payments into the two databases; both services must have migrated them.
///
/// # Errors
/// The database's.
pub async fn insert(ground: &Ground, n: u64) -> Result<(), Error> {
    let rows = [
        (Service::Prereservation, include_str!("../sql/prereservation.sql")),
        (Service::Payment, include_str!("../sql/payment.sql")),
    ];
    install_default_drivers();
    for (service, text) in rows {
        let url = ground.database(service.name()).unwrap_or_default();
        let doing = || format!("inserting rows for {}", service.name());
        let pool =
            AnyPoolOptions::new().max_connections(1).connect(url).await.map_err(Error::sql(doing()))?;
        let mut last = 0;
        while last < n as i64 {
            let first = last + 1;
            last = (last + LARGEST_INSERT).min(n as i64);
            let query = sqlx::query(AssertSqlSafe(text));
            let query = query.bind(first).bind(last).bind(USERS as i64).bind(BEGIN_MS);
            query.execute(&pool).await.map_err(Error::sql(doing()))?;
        }
        if url.starts_with("postgres") {
            // What autovacuum would have done some minutes later.
            pool.execute("VACUUM ANALYZE").await.map_err(Error::sql(doing()))?;
        }
        pool.close().await;
    }
    Ok(())
}

/// After rows came in by the thousand: PostgreSQL's statistics as they would be a minute later.
///
/// # Errors
/// The database's.
pub async fn analyze(ground: &Ground, service: Service) -> Result<(), Error> {
    let url = ground.database(service.name()).unwrap_or_default();
    if !url.starts_with("postgres") {
        return Ok(());
    }
    install_default_drivers();
    let pool =
        AnyPoolOptions::new().max_connections(1).connect(url).await.map_err(Error::sql("connecting"))?;
    pool.execute("VACUUM ANALYZE").await.map_err(Error::sql("VACUUM ANALYZE"))?;
    pool.close().await;
    Ok(())
}

fn record(topic: &str, fact: Fact, id: i64) -> Record {
    let event = event(fact, id);
    let source = match fact {
        Fact::Reservation => Service::Prereservation,
        Fact::Payment => Service::Payment,
        Fact::Receipt => Service::Receipt,
    };
    let ce_id = format!("{}-{id}", source.name());
    let at = at(id);
    Record {
        topic: topic.to_owned(),
        key: Some(event.key()),
        payload: event.to_json(at),
        headers: events::headers(&event, source.name(), &ce_id, at, None),
        timestamp_ms: at,
    }
}

/// When the reservation came: epoch milliseconds.
fn at(id: i64) -> i64 {
    BEGIN_MS + id
}

/// What a service tells of the reservation when nothing goes wrong.
pub fn event(fact: Fact, id: i64) -> Event {
    let at = at(id);
    let user_id = 1 + id % USERS as i64;
    let price = 1_000_000 + id % 500_000;
    let (product_id, product_name) = (1, "fold".to_owned());
    let card_no = "****-****-****-1234".to_owned();
    let (created_at, modified_at, version) = (at, at, 1);
    match fact {
        Fact::Reservation => Event::ReservationCreated(ReservationCreated {
            id,
            user_id,
            user_address: "seoul".to_owned(),
            product_id,
            product_name,
            price,
            card_no,
            created_at,
            modified_at,
            version,
        }),
        Fact::Payment => Event::PaymentCreated(PaymentCreated {
            id,
            pre_reservation_id: id,
            user_id,
            product_id,
            product_name,
            price,
            card_no,
            created_at,
            modified_at,
            version,
        }),
        Fact::Receipt => Event::ReceiptCreated(ReceiptCreated {
            id,
            pre_reservation_id: id,
            payment_id: id,
            user_id,
            product_id,
            product_name,
            price,
            expected_delivery_at: at + DELIVERY.as_millis() as i64,
            created_at,
            modified_at,
            version,
        }),
    }
}

//! Rows without reservations: facts straight into the topic, rows straight into the databases.
//!
//! A million reservations over HTTP take ten minutes. The facts published here are those that a million reservations
//! would have left, so receipt and the view fill themselves from them; the rows of prereservation and payment, which
//! read no such facts, come from `lab/bench/sql/*.sql`.

use std::time::Duration;

use events::{
    Envelope, Payment, PaymentCreated, Purchase, Receipt, ReceiptCreated, Reservation, ReservationCreated,
};
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
    let (topic, names) = (&ground.event_log.topic, ground.event_log.topic_names());
    log.ensure_topic(topic).await.map_err(|e| Error::EventLog(e.to_string()))?;
    let mut batch = Vec::with_capacity(BATCH + facts.len());
    for id in first..first + n as i64 {
        batch.extend(facts.iter().map(|fact| names.record(&envelope(*fact, id))));
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

/// When the reservation came: epoch milliseconds.
fn at(id: i64) -> i64 {
    BEGIN_MS + id
}

/// What a service tells of the reservation when nothing goes wrong.
pub fn envelope(fact: Fact, id: i64) -> Envelope {
    let at = at(id);
    let purchase = Purchase {
        user_id: 1 + id % USERS as i64,
        product_id: 1,
        product_name: "fold".to_owned(),
        price: 1_000_000 + id % 500_000,
    };
    let card_no = "****-****-****-1234".to_owned();
    let (created_at, modified_at, version) = (at, at, 1);
    match fact {
        Fact::Reservation => {
            let user_address = "seoul".to_owned();
            let reservation =
                Reservation { id, purchase, user_address, card_no, created_at, modified_at, version };
            Envelope::of(&ReservationCreated(reservation), at)
        }
        Fact::Payment => {
            let pre_reservation_id = id;
            let payment =
                Payment { id, pre_reservation_id, purchase, card_no, created_at, modified_at, version };
            Envelope::of(&PaymentCreated(payment), at)
        }
        Fact::Receipt => {
            let receipt = Receipt {
                id,
                pre_reservation_id: id,
                payment_id: id,
                purchase,
                expected_delivery_at: at + DELIVERY.as_millis() as i64,
                created_at,
                modified_at,
                version,
            };
            Envelope::of(&ReceiptCreated(receipt), at)
        }
    }
}

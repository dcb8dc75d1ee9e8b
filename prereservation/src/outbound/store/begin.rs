//! The insert decides: start, or the saved answer.

use sqlx::Row;
use storage::{Database, now_ms};
use telemetry::TraceContext;

use super::rows;
use crate::domain::{CancelReason, NewReservation, Reservation};
use crate::use_cases::ports::{Begun, IdempotencyKey, SavedOutcome};

const INSERT: &str = "INSERT INTO reservation (user_id, user_address, product_id, product_name, price, card_no, \
     status, version, created_at, modified_at, traceparent) \
     VALUES ($1, $2, $3, $4, $5, $6, 'pending', 0, $7, $7, $8) RETURNING id";

/// One statement, one transaction.
pub(super) async fn without_key(database: &Database, order: &NewReservation) -> Result<Begun, sqlx::Error> {
    let now = now_ms();
    let id = insert(database.writer(), order, now).await?;
    Ok(Begun::Started(Reservation::pending(id, order.clone(), now)))
}

pub(super) async fn with_key(
    database: &Database,
    order: &NewReservation,
    key: &IdempotencyKey,
) -> Result<Begun, sqlx::Error> {
    // Repetitions are mostly of answered requests: look before writing.
    if let Some(begun) = known(database, key).await? {
        return Ok(begun);
    }
    let now = now_ms();
    let mut tx = database.begin().await?;
    let id = insert(&mut *tx, order, now).await?;
    let inserted = sqlx::query(
        "INSERT INTO idempotency_key (key, fingerprint, reservation_id, created_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(key.key.clone())
    .bind(key.fingerprint.clone())
    .bind(id)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    if inserted.rows_affected() == 1 {
        tx.commit().await?;
        return Ok(Begun::Started(Reservation::pending(id, order.clone(), now)));
    }
    tx.rollback().await?;
    // The other request's key was committed, or it would not have been in the way; purged since is as good as in flight.
    Ok(known(database, key).await?.unwrap_or(Begun::InFlight))
}

async fn insert<'e, E>(executor: E, order: &NewReservation, now: i64) -> Result<i64, sqlx::Error>
where
    E: sqlx::Executor<'e, Database = sqlx::Any>,
{
    sqlx::query_scalar(INSERT)
        .bind(order.user_id)
        .bind(order.user_address.clone())
        .bind(order.product_id)
        .bind(order.product_name.clone())
        .bind(order.price)
        .bind(order.masked_card.clone())
        .bind(now)
        .bind(TraceContext::current().map(|trace| trace.to_string()))
        .fetch_one(executor)
        .await
}

async fn known(database: &Database, key: &IdempotencyKey) -> Result<Option<Begun>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT fingerprint, reservation_id, answered_at, cancel_reason, cancel_detail \
         FROM idempotency_key WHERE key = $1",
    )
    .bind(key.key.clone())
    .fetch_optional(database.writer())
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.try_get::<String, _>(0)? != key.fingerprint {
        return Ok(Some(Begun::KeyReused));
    }
    let Some(at) = row.try_get::<Option<i64>, _>(2)? else { return Ok(Some(Begun::InFlight)) };
    let reservation =
        sqlx::query(rows::FIND).bind(row.try_get::<i64, _>(1)?).fetch_one(database.reader()).await?;
    let outcome = SavedOutcome {
        cancelled: row
            .try_get::<Option<String>, _>(3)?
            .map(|reason| CancelReason::parse(&reason).unwrap_or(CancelReason::Unknown)),
        detail: row.try_get(4)?,
        at,
    };
    Ok(Some(Begun::Answered(rows::reservation(&reservation)?, outcome)))
}

//! The SQL adapter of [`ReservationStore`](crate::use_cases::ports::ReservationStore): one text for SQLite and PostgreSQL.

mod begin;
mod rows;

use async_trait::async_trait;
use events::Event;
use failpoints::sabotaged;
use messaging::{Outbox, Record};
use storage::{Database, Listing, Tx, Window, now_ms};
use telemetry::TraceContext;

use crate::domain::Reservation;
use crate::use_cases::ports::{Begun, IdempotencyKey, ListQuery, ReservationStore, SavedOutcome, StoreError};
use rows::COLUMNS;

/// Schema of this service's own tables.
pub static MIGRATIONS: storage::Migrations = storage::Migrations { sqlite: &SQLITE, postgres: &POSTGRES };
static SQLITE: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

const LIVE: Listing = Listing {
    table: "reservation",
    columns: COLUMNS,
    predicate: "status <> 'reservation_cancelled'",
    counter: "reservation",
};

pub struct SqlReservationStore {
    outbox: Outbox,
    database: Database,
    topic: String,
}

impl SqlReservationStore {
    pub fn new(database: Database, outbox: Outbox, topic: String) -> Self {
        Self { outbox, database, topic }
    }

    async fn tell(&self, tx: &mut Tx, fact: &Event, traceparent: Option<&str>) -> Result<(), sqlx::Error> {
        let timestamp_ms = now_ms();
        let ce_id = format!("{}.{}", fact.key(), fact.version());
        let record = Record {
            topic: self.topic.clone(),
            key: Some(fact.key()),
            payload: fact.to_json(timestamp_ms),
            headers: events::headers(fact, "prereservation", &ce_id, timestamp_ms, traceparent),
            timestamp_ms,
        };
        self.outbox.append(tx, &[record]).await
    }
}

#[async_trait]
impl ReservationStore for SqlReservationStore {
    async fn begin(
        &self,
        order: &crate::domain::NewReservation,
        key: Option<&IdempotencyKey>,
    ) -> Result<Begun, StoreError> {
        Ok(match key {
            _ if sabotaged!("forget_idempotency_key") => begin::without_key(&self.database, order).await?,
            None => begin::without_key(&self.database, order).await?,
            Some(key) => begin::with_key(&self.database, order, key).await?,
        })
    }

    async fn save(
        &self,
        reservation: &Reservation,
        fact: &Event,
        expected_version: i64,
        outcome: Option<&SavedOutcome>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.database.begin().await?;
        let traceparent: Option<Option<String>> = sqlx::query_scalar(
            "UPDATE reservation SET status = $1, version = $2, modified_at = $3, cancel_reason = $4, \
             cancel_detail = $5 WHERE id = $6 AND version = $7 RETURNING traceparent",
        )
        .bind(reservation.status.as_str())
        .bind(reservation.version)
        .bind(reservation.modified_at)
        .bind(reservation.cancel_reason.map(|reason| reason.as_str()))
        .bind(reservation.cancel_detail.clone())
        .bind(reservation.id)
        .bind(expected_version)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(first_trace) = traceparent else { return Ok(false) };
        if let Some(outcome) = outcome {
            sqlx::query(
                "UPDATE idempotency_key SET answered_at = $1, cancel_reason = $2, cancel_detail = $3 \
                 WHERE reservation_id = $4 AND answered_at IS NULL",
            )
            .bind(outcome.at)
            .bind(outcome.cancelled.map(|reason| reason.as_str()))
            .bind(outcome.detail.clone())
            .bind(reservation.id)
            .execute(&mut *tx)
            .await?;
        }
        let trace = TraceContext::current().map(|trace| trace.to_string()).or(first_trace);
        self.tell(&mut tx, fact, trace.as_deref()).await?;
        self.outbox.commit(tx).await?;
        Ok(true)
    }

    async fn find(&self, id: i64) -> Result<Option<Reservation>, StoreError> {
        let row = sqlx::query(rows::FIND).bind(id).fetch_optional(self.database.reader()).await?;
        Ok(row.as_ref().map(rows::reservation).transpose()?)
    }

    async fn list(&self, query: &ListQuery) -> Result<(Vec<Reservation>, i64), StoreError> {
        let window = Window { offset: query.offset, limit: query.limit, order: &query.order };
        let filter = query.user_id.map(|user_id| ("user_id", user_id));
        let (rows, total) = LIVE.page(&self.database, filter, &window).await?;
        let items = rows.iter().map(rows::reservation).collect::<Result<_, _>>()?;
        Ok((items, total))
    }

    async fn pending(&self, limit: i64) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar("SELECT id FROM reservation WHERE status = 'pending' ORDER BY id LIMIT $1")
            .bind(limit)
            .fetch_all(self.database.reader())
            .await?)
    }

    async fn purge_keys(&self, before: i64) -> Result<u64, StoreError> {
        let purged =
            sqlx::query("DELETE FROM idempotency_key WHERE created_at < $1 AND answered_at IS NOT NULL")
                .bind(before)
                .execute(self.database.writer())
                .await?;
        Ok(purged.rows_affected())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if storage::is_unavailable(&error) {
            Self::Unavailable(error.into())
        } else {
            Self::Failed(error.into())
        }
    }
}

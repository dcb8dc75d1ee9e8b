//! The SQL adapter of the port `ReservationStore`: one text for SQLite and PostgreSQL.

mod begin;
mod rows;
mod save;

use async_trait::async_trait;
use events::Envelope;
use messaging::Outbox;
use storage::{Database, GroupCommit, Listed, Listing, StoreError, now_ms, table};
use telemetry::TraceContext;

use self::begin::{Intent, Intents, Stored};
use self::save::{Outcome, Outcomes};

use crate::domain::{NewReservation, Reservation};
use crate::use_cases::ports::{Begun, Field, IdempotencyKey, ReservationStore, SavedOutcome};

/// Schema of this service's own tables.
pub static MIGRATIONS: storage::Migrations = storage::migrations!("migrations/sqlite", "migrations/postgres");

pub struct SqlReservationStore {
    database: Database,
    intents: GroupCommit<Intents>,
    outcomes: GroupCommit<Outcomes>,
}

impl SqlReservationStore {
    pub fn new(database: Database, outbox: Outbox) -> Self {
        Self {
            intents: GroupCommit::new(Intents { database: database.clone() }, &database),
            outcomes: GroupCommit::new(Outcomes { database: database.clone(), outbox }, &database),
            database,
        }
    }
}

#[async_trait]
impl ReservationStore for SqlReservationStore {
    async fn begin(&self, order: &NewReservation, key: Option<&IdempotencyKey>) -> Result<Begun, StoreError> {
        // Repetitions are mostly of answered requests: look before writing.
        if let Some(key) = key
            && let Some(begun) = begin::known(&self.database, key).await?
        {
            return Ok(begun);
        }
        let now = now_ms();
        let intent = Intent {
            order: order.clone(),
            key: key.cloned(),
            now,
            traceparent: TraceContext::current_traceparent(),
        };
        match (self.intents.submit(intent).await?, key) {
            (Stored::Started { id }, _) => Ok(Begun::Started(Reservation::pending(id, order.clone(), now))),
            // The other request's key was committed, or it would not have been in the way; purged since is as good
            // as in flight.
            (Stored::KeyTaken, Some(key)) => {
                Ok(begin::known(&self.database, key).await?.unwrap_or(Begun::InFlight))
            }
            (Stored::KeyTaken, None) => Ok(Begun::InFlight),
        }
    }

    async fn save(
        &self,
        reservation: &Reservation,
        fact: &Envelope,
        expected_version: i64,
        outcome: Option<&SavedOutcome>,
    ) -> Result<bool, StoreError> {
        let outcome = Outcome {
            reservation: reservation.clone(),
            fact: fact.clone(),
            expected_version,
            saved: outcome.cloned(),
            traceparent: TraceContext::current_traceparent(),
        };
        self.outcomes.submit(outcome).await
    }

    async fn find(&self, id: i64) -> Result<Option<Reservation>, StoreError> {
        table::find(&self.database, "id", id).await
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
                .execute(self.database.writer().await?)
                .await?;
        Ok(purged.rows_affected())
    }
}

impl Listed for SqlReservationStore {
    type Row = Reservation;
    type Item = Reservation;
    type Field = Field;
    const LISTING: Listing<Reservation> = Listing::of("status <> 'reservation_cancelled'");

    fn database(&self) -> &Database {
        &self.database
    }

    fn column(field: Field) -> &'static str {
        match field {
            // Ids are given in the order of creation, so `createdAt` needs no index of its own.
            Field::Id | Field::CreatedAt => "id",
            Field::UserId => "user_id",
            Field::Price => "price",
        }
    }
}

//! The outcome on disk, and its fact with it.

use std::collections::HashMap;

use events::Envelope;
use messaging::Outbox;
use sqlx::AssertSqlSafe;
use storage::{Database, Dialect, StoreError, Transact, Tx, sql};

use crate::domain::Reservation;
use crate::use_cases::ports::SavedOutcome;

const COLUMNS: usize = 7;
const OUTCOME_COLUMNS: usize = 4;
const LARGEST_UPDATE: usize = 64;

/// Saves reservations and tells their facts.
pub(super) struct Outcomes {
    pub(super) database: Database,
    pub(super) outbox: Outbox,
}

pub(super) struct Outcome {
    pub(super) reservation: Reservation,
    pub(super) fact: Envelope,
    pub(super) expected_version: i64,
    pub(super) saved: Option<SavedOutcome>,
    pub(super) traceparent: Option<String>,
}

/// The trace of the request that took the reservation.
type FirstTrace = Option<String>;

impl Transact for Outcomes {
    type Request = Outcome;
    type Answer = bool;

    async fn transact(&self, outcomes: &[Outcome]) -> Result<Vec<bool>, StoreError> {
        let mut tx = self.database.begin().await?;
        let mut saved = vec![false; outcomes.len()];
        for round in sql::rounds(outcomes, |outcome| outcome.reservation.id) {
            for chunk in sql::chunks(&round, LARGEST_UPDATE) {
                let changed =
                    update(&mut tx, chunk.iter().map(|index| &outcomes[*index]), chunk.len()).await?;
                let won: Vec<(&Outcome, &FirstTrace)> = chunk
                    .iter()
                    .filter_map(|index| {
                        let first_trace = changed.get(&outcomes[*index].reservation.id)?;
                        saved[*index] = true;
                        Some((&outcomes[*index], first_trace))
                    })
                    .collect();
                answer_keys(&mut tx, &won).await?;
                let facts: Vec<Envelope> = won.iter().map(|(outcome, trace)| outcome.fact(trace)).collect();
                self.outbox.tell(&mut tx, &facts).await?;
            }
        }
        tx.commit().await?;
        Ok(saved)
    }
}

impl Outcome {
    fn fact(&self, first_trace: &FirstTrace) -> Envelope {
        let traceparent = self.traceparent.as_ref().or(first_trace.as_ref());
        self.fact.clone().caused_by(traceparent.cloned())
    }
}

/// Each a compare-and-set on the version; those that were saved.
async fn update(
    tx: &mut Tx,
    outcomes: impl Iterator<Item = &Outcome>,
    count: usize,
) -> Result<HashMap<i64, FirstTrace>, sqlx::Error> {
    let text = format!(
        "WITH outcome (id, expected, status, version, modified_at, cancel_reason, cancel_detail) AS (VALUES {}) \
         UPDATE reservation SET status = outcome.status, version = outcome.version, \
         modified_at = outcome.modified_at, cancel_reason = outcome.cancel_reason, \
         cancel_detail = outcome.cancel_detail \
         FROM outcome WHERE reservation.id = outcome.id AND reservation.version = outcome.expected \
         RETURNING reservation.id, reservation.traceparent",
        sql::values(Dialect::of(tx), count, COLUMNS)
    );
    let mut query = sqlx::query_as(AssertSqlSafe(text));
    for Outcome { reservation, expected_version, .. } in outcomes {
        query = query
            .bind(reservation.id)
            .bind(*expected_version)
            .bind(reservation.status.as_str())
            .bind(reservation.version)
            .bind(reservation.modified_at)
            .bind(reservation.cancel_reason.map(|reason| reason.as_str()))
            .bind(reservation.cancel_detail.as_deref());
    }
    Ok(query.fetch_all(&mut **tx).await?.into_iter().collect())
}

/// What repetitions of the keyed requests will be told.
async fn answer_keys(tx: &mut Tx, won: &[(&Outcome, &FirstTrace)]) -> Result<(), sqlx::Error> {
    let keyed: Vec<(i64, &SavedOutcome)> = won
        .iter()
        .filter_map(|(outcome, _)| Some((outcome.reservation.id, outcome.saved.as_ref()?)))
        .collect();
    for chunk in sql::chunks(&keyed, LARGEST_UPDATE) {
        let text = format!(
            "WITH answer (reservation_id, answered_at, cancel_reason, cancel_detail) AS (VALUES {}) \
             UPDATE idempotency_key SET answered_at = answer.answered_at, cancel_reason = answer.cancel_reason, \
             cancel_detail = answer.cancel_detail FROM answer \
             WHERE idempotency_key.reservation_id = answer.reservation_id AND idempotency_key.answered_at IS NULL",
            sql::values(Dialect::of(tx), chunk.len(), OUTCOME_COLUMNS)
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for (id, outcome) in chunk {
            query = query
                .bind(*id)
                .bind(outcome.at)
                .bind(outcome.cancelled.map(|reason| reason.as_str()))
                .bind(outcome.detail.as_deref());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

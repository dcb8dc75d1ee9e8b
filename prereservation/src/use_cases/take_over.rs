//! Ends reservations whose process died between intent and outcome.
//!
//! Whether payment charged is not known then, so it is the Unknown outcome: cancelled, and payment undoes what it did.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, describe_counter, describe_gauge, gauge};
use storage::{StoreError, now_ms};
use tokio_util::sync::CancellationToken;

use super::ports::{ReservationStore, SavedOutcome};
use crate::domain::{CancelReason, Transition};

/// Most reservations looked at in one round.
const BATCH: i64 = 1_000;

pub struct TakeOver {
    store: Arc<dyn ReservationStore>,
    patience: Duration,
    /// Since when we see them pending. Our own monotonic clock: no timestamp in a row is trusted for this.
    seen: HashMap<i64, Instant>,
}

impl TakeOver {
    /// `patience` must be longer than any request may take.
    pub fn new(store: Arc<dyn ReservationStore>, patience: Duration) -> Self {
        Self { store, patience, seen: HashMap::new() }
    }

    /// Looks for abandoned reservations every so often, until `stop`.
    pub async fn run(mut self, every: Duration, stop: CancellationToken) {
        describe_gauge!("saga_open", "Reservations seen pending");
        describe_gauge!(
            "saga_oldest_open_age_seconds",
            "For how long the oldest of them has been seen pending"
        );
        describe_counter!(
            "saga_taken_over_total",
            "Pending reservations that were ended for somebody who did not"
        );
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            match self.execute().await {
                Ok((ended, open)) => self.measure(ended, open),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "abandoned reservations not looked for; trying again"
                    );
                }
            }
        }
    }

    fn measure(&self, ended: usize, open: usize) {
        const APPLICATION: &str = "prereservation";
        counter!("saga_taken_over_total", "application" => APPLICATION).increment(ended as u64);
        gauge!("saga_open", "application" => APPLICATION).set(open as f64);
        gauge!("saga_oldest_open_age_seconds", "application" => APPLICATION)
            .set(self.oldest_age().as_secs_f64());
    }

    /// One round; how many were ended, and how many are still pending.
    ///
    /// # Errors
    /// The store's.
    pub async fn execute(&mut self) -> Result<(usize, usize), StoreError> {
        let pending = self.store.pending(BATCH).await?;
        let now = Instant::now();
        let before = std::mem::take(&mut self.seen);
        self.seen = pending.iter().map(|id| (*id, before.get(id).copied().unwrap_or(now))).collect();
        let mut ended = 0;
        for id in &pending {
            if self.seen.get(id).is_some_and(|since| since.elapsed() >= self.patience)
                && self.end(*id).await?
            {
                ended += 1;
            }
        }
        Ok((ended, pending.len() - ended))
    }

    /// How long the oldest one has been seen pending.
    pub fn oldest_age(&self) -> Duration {
        self.seen.values().map(Instant::elapsed).max().unwrap_or_default()
    }

    async fn end(&self, id: i64) -> Result<bool, StoreError> {
        let Some(mut reservation) = self.store.find(id).await? else { return Ok(false) };
        if reservation.version != 0 {
            return Ok(false);
        }
        let detail = "the service was interrupted while the payment was under way";
        let Transition::Applied(fact) =
            reservation.cancel(CancelReason::Abandoned, Some(detail.into()), now_ms())
        else {
            return Ok(false);
        };
        let outcome = SavedOutcome::of(&reservation);
        tracing::warn!(reservation = id, "abandoned reservation taken over and cancelled");
        let saved = self.store.save(&reservation, &fact, 0, Some(&outcome)).await?;
        Ok(saved)
    }
}

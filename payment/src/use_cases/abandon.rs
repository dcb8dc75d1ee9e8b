use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use storage::{StoreError, now_ms};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{Payment, Status, Transition};
use crate::use_cases::ports::PaymentStore;

const PAGE: i64 = 256;

/// Finds charges that nobody finishes any more (a process died, the card network gave no answer and nobody
/// asked again) and has them undone, so that no card stays charged for a payment that nobody was told of.
///
/// This process measures by its own monotonic clock for how long it has seen a charge open: wall clocks that jump or differ
/// between machines change nothing. A request that takes longer finds its payment cancelled, and answers so.
pub struct AbandonedCharges {
    store: Arc<dyn PaymentStore>,
    /// Wakes the refund worker.
    refunds: Arc<Notify>,
    after: Duration,
    first_seen: HashMap<i64, Instant>,
}

impl AbandonedCharges {
    pub fn new(store: Arc<dyn PaymentStore>, refunds: Arc<Notify>, after: Duration) -> Self {
        Self { store, refunds, after, first_seen: HashMap::new() }
    }

    /// Looks for abandoned charges until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        metrics::describe_gauge!("payments_charges_open", "Charges whose outcome is not stored yet");
        let pause = (self.after / 10).clamp(Duration::from_millis(50), Duration::from_secs(1));
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            if let Err(error) = self.round().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "charges not read; looking again");
            }
        }
    }

    async fn round(&mut self) -> Result<(), StoreError> {
        let mut seen = HashMap::new();
        let mut last_id = i64::MIN;
        loop {
            let page = self.store.unfinished(Status::Charging, last_id, PAGE).await?;
            let Some(last) = page.last() else { break };
            last_id = last.payment.id;
            let now = Instant::now();
            let mut abandoned = Vec::new();
            for unfinished in page {
                let id = unfinished.payment.id;
                let since = self.first_seen.get(&id).copied().unwrap_or(now);
                seen.insert(id, since);
                if now.duration_since(since) >= self.after {
                    abandoned.push(unfinished.payment);
                }
            }
            self.undo(&abandoned).await?;
        }
        metrics::gauge!("payments_charges_open", "application" => "payment").set(seen.len() as f64);
        self.first_seen = seen;
        Ok(())
    }

    async fn undo(&self, abandoned: &[Payment]) -> Result<(), StoreError> {
        let now = now_ms();
        let changes: Vec<_> = abandoned
            .iter()
            .filter_map(|payment| match payment.cancel(now) {
                Transition::Applied(change) => Some(change),
                Transition::AlreadyApplied | Transition::Refused(_) => None,
            })
            .collect();
        if changes.is_empty() {
            return Ok(());
        }
        let saved = self.store.save(&changes).await?;
        for change in changes.iter().zip(saved).filter_map(|(change, saved)| saved.then_some(change)) {
            let payment = change.after();
            tracing::warn!(
                payment = payment.id,
                reservation = payment.order.reservation_id,
                "nobody finished this charge; it is undone"
            );
        }
        self.refunds.notify_one();
        Ok(())
    }
}

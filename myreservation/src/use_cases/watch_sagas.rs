//! How the sagas stand, as metrics: by outcome, the oldest unfinished one, and those that are stuck.

use std::sync::Arc;
use std::time::Duration;

use metrics::{describe_gauge, gauge};
use serde::Deserialize;
use storage::{StoreError, now_ms};
use tokio_util::sync::CancellationToken;

use super::ports::View;
use crate::domain::Outcome;

/// `[sagas]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SagaSettings {
    pub measure_every_ms: u64,
    /// An unfinished saga older than this counts as stuck.
    pub stuck_after_ms: u64,
}

/// Measures until `stop`.
pub async fn watch(view: Arc<dyn View>, settings: SagaSettings, stop: CancellationToken) {
    describe_gauge!("sagas", "Reservations by the outcome of their saga");
    describe_gauge!(
        "saga_oldest_unfinished_age_seconds",
        "Age of the oldest saga that is open or compensating"
    );
    describe_gauge!("sagas_stuck", "Sagas that have been open or compensating for too long");
    describe_gauge!("read_model_rebuild_records", "Records read by the rebuild that is running, and in all");
    let every = Duration::from_millis(settings.measure_every_ms.max(100));
    let mut failed = false;
    loop {
        match measure(view.as_ref(), &settings).await {
            Ok(()) => failed = false,
            // Said once: the consumer says the same of the same database.
            Err(error) if !failed => {
                tracing::warn!(%error, "sagas not measured");
                failed = true;
            }
            Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn measure(view: &dyn View, settings: &SagaSettings) -> Result<(), StoreError> {
    let now = now_ms();
    let stuck_after = i64::try_from(settings.stuck_after_ms).unwrap_or(i64::MAX);
    let sagas = view.sagas(now.saturating_sub(stuck_after)).await?;
    for outcome in Outcome::ALL {
        let n = sagas.by_outcome.get(&outcome).copied().unwrap_or(0);
        gauge!("sagas", "application" => "myreservation", "outcome" => outcome.as_str()).set(n as f64);
    }
    let age_ms = sagas.unfinished.oldest_since_ms.map_or(0, |since| now.saturating_sub(since).max(0));
    gauge!("saga_oldest_unfinished_age_seconds", "application" => "myreservation")
        .set(age_ms as f64 / 1000.0);
    gauge!("sagas_stuck", "application" => "myreservation").set(sagas.unfinished.stuck as f64);
    let (done, total) = view.rebuild_progress().await?.unwrap_or((0, 0));
    for (kind, records) in [("done", done), ("total", total)] {
        gauge!("read_model_rebuild_records", "application" => "myreservation", "kind" => kind)
            .set(records as f64);
    }
    Ok(())
}

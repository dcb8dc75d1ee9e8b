//! Forgets idempotency keys that are older than the service promises to remember them.

use std::sync::Arc;
use std::time::Duration;

use storage::{StoreError, now_ms};
use tokio_util::sync::CancellationToken;

use super::ports::ReservationStore;

const HOUR_MS: i64 = 3_600_000;

pub struct PurgeKeys {
    store: Arc<dyn ReservationStore>,
    keep_ms: i64,
}

impl PurgeKeys {
    pub fn new(store: Arc<dyn ReservationStore>, keep_hours: u32) -> Self {
        Self { store, keep_ms: i64::from(keep_hours) * HOUR_MS }
    }

    /// Purges every so often, until `stop`.
    pub async fn run(self, every: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            match self.execute().await {
                Ok(0) => {}
                Ok(purged) => tracing::info!(purged, "idempotency keys purged"),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "idempotency keys not purged; trying again"
                    );
                }
            }
        }
    }

    /// One round; how many were forgotten.
    ///
    /// # Errors
    /// The store's.
    pub async fn execute(&self) -> Result<u64, StoreError> {
        self.store.purge_keys(now_ms() - self.keep_ms).await
    }
}

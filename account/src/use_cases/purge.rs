//! Drops sessions that have expired, and windows of attempts that are over. No lease: to drop them twice is harmless.

use std::sync::Arc;
use std::time::Duration;

use storage::{StoreError, now_ms};
use telemetry::error_chain;
use tokio_util::sync::CancellationToken;

use super::ports::FamilyStore;
use super::throttle::Throttle;

const EVERY: Duration = Duration::from_secs(60);

pub async fn run(families: Arc<dyn FamilyStore>, attempts: Arc<Throttle>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        if let Err(error) = once(families.as_ref(), &attempts).await {
            tracing::warn!(
                error = error_chain(&error),
                "what is over could not be dropped; it is tried again"
            );
        }
    }
}

/// # Errors
/// The store's.
pub async fn once(families: &dyn FamilyStore, attempts: &Throttle) -> Result<(), StoreError> {
    families.purge(now_ms()).await?;
    attempts.purge().await
}

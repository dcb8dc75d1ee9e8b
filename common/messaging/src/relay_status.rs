use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Since when the relay fails to tell what was committed, and why. Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub struct RelayStatus {
    failing: Arc<Mutex<Option<(Instant, String)>>>,
}

impl RelayStatus {
    pub fn failing(&self) -> Option<(Duration, String)> {
        self.lock().as_ref().map(|(since, why)| (since.elapsed(), why.clone()))
    }

    pub(crate) fn succeeded(&self) {
        *self.lock() = None;
    }

    pub(crate) fn failed(&self, error: &dyn Error) {
        let mut failing = self.lock();
        let since = failing.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        *failing = Some((since, telemetry::error_chain(error)));
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, String)>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

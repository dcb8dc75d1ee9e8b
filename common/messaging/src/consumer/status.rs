use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Since when the consumer cannot go on because the database or the log is away.
#[derive(Clone, Default)]
pub struct ConsumerStatus {
    stalled: Arc<Mutex<Option<(Instant, String)>>>,
}

impl ConsumerStatus {
    /// How long nothing went on, and why.
    pub fn stalled(&self) -> Option<(Duration, String)> {
        self.lock().as_ref().map(|(since, why)| (since.elapsed(), why.clone()))
    }

    pub(super) fn going(&self) {
        *self.lock() = None;
    }

    pub(super) fn stall(&self, why: &impl Display) {
        let mut stalled = self.lock();
        let since = stalled.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        *stalled = Some((since, why.to_string()));
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, String)>> {
        self.stalled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

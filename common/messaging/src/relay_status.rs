use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Since when the relay fails to tell what was committed, and why; and what the log refuses. Cheap to clone; clones are
/// the same.
#[derive(Clone, Default)]
pub struct RelayStatus {
    failing: Arc<Mutex<Option<(Instant, String)>>>,
    held: Arc<Mutex<Option<HeldBack>>>,
}

/// Records that the log refuses, and those that wait behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    pub records: u64,
    /// What the log said last.
    pub why: String,
}

impl RelayStatus {
    pub fn failing(&self) -> Option<(Duration, String)> {
        self.lock().as_ref().map(|(since, why)| (since.elapsed(), why.clone()))
    }

    pub fn held(&self) -> Option<HeldBack> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// So many records are held back; `why` if that was just said.
    pub(crate) fn holding(&self, records: u64, why: Option<String>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.take().map(|held| held.why);
        if records > 0 {
            let why = why.or(before).unwrap_or_else(|| "refused before this process began".to_owned());
            *held = Some(HeldBack { records, why });
        }
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

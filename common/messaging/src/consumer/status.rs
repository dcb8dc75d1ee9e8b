use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Whether the consumer goes on: what heals by itself, and what waits for an operator.
#[derive(Clone, Default)]
pub struct ConsumerStatus {
    stalled: Arc<Mutex<Option<(Instant, String)>>>,
    stopped: Arc<Mutex<BTreeMap<i32, String>>>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl ConsumerStatus {
    /// Why a partition is not read until an operator has acted: the log is not the one that was read.
    pub fn stopped(&self) -> Option<String> {
        self.stops().values().next().cloned()
    }

    /// How long nothing went on because the database or the log is away, and why.
    pub fn stalled(&self) -> Option<(Duration, String)> {
        self.lock().as_ref().map(|(since, why)| (since.elapsed(), why.clone()))
    }

    /// What does not stop it, and an operator should know: another deployment reads in the same group.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that are new.
    pub(super) fn warn(&self, warnings: Vec<String>) -> Vec<String> {
        let mut known = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let new = warnings.iter().filter(|warning| !known.contains(warning)).cloned().collect();
        *known = warnings;
        new
    }

    pub(super) fn going(&self) {
        *self.lock() = None;
    }

    pub(super) fn stall(&self, why: &impl Display) {
        let mut stalled = self.lock();
        let since = stalled.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        *stalled = Some((since, why.to_string()));
    }

    pub(super) fn stop(&self, partition: i32, why: &impl Display) {
        self.stops().insert(partition, why.to_string());
    }

    pub(super) fn lift(&self, partition: i32) {
        self.stops().remove(&partition);
    }

    fn stops(&self) -> MutexGuard<'_, BTreeMap<i32, String>> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, String)>> {
        self.stalled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Where a process is in its life: starting, ready, stopping. Readiness probes, background loops and the servers look here.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// The phases, in order; there is no way back.
#[derive(Clone, Copy)]
enum Phase {
    /// Migrations, connections, subscriptions: not to be sent requests yet.
    Starting,
    /// Takes requests.
    Ready,
    /// Was told to end: readiness is off, requests are still answered.
    Stopping,
    /// No longer accepts connections; what is in flight is answered with `Connection: close`.
    Draining,
}

/// Shared by everything in a process that has to know its phase.
#[derive(Clone, Debug)]
pub struct Lifecycle(Arc<AtomicU8>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicU8::new(Phase::Starting as u8)))
    }

    /// Start-up has ended: readiness goes on.
    pub fn started(&self) {
        self.advance(Phase::Ready);
    }

    /// The process was told to end: readiness goes off, for good.
    pub fn stopping(&self) {
        self.advance(Phase::Stopping);
    }

    /// New connections are refused from here on; answers carry `Connection: close`.
    pub fn draining(&self) {
        self.advance(Phase::Draining);
    }

    #[must_use]
    pub fn ready(&self) -> bool {
        self.has_reached(Phase::Ready) && !self.is_stopping()
    }

    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.has_reached(Phase::Stopping)
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.has_reached(Phase::Draining)
    }

    fn advance(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::SeqCst);
    }

    fn has_reached(&self, phase: Phase) -> bool {
        self.0.load(Ordering::SeqCst) >= phase as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_goes_on_once_and_off_for_good() {
        let lifecycle = Lifecycle::new();
        assert!(!lifecycle.ready());
        lifecycle.started();
        assert!(lifecycle.ready());
        lifecycle.clone().stopping();
        assert!(!lifecycle.ready() && lifecycle.is_stopping() && !lifecycle.is_draining());
        lifecycle.started();
        assert!(!lifecycle.ready());
        lifecycle.draining();
        assert!(lifecycle.is_draining());
    }
}

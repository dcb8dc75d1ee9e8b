//! Where a process is in its life: starting, ready, stopping. Readiness probes, background loops and the servers look here.

use tokio::sync::watch;

/// The phases, in order; there is no way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
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
pub struct Lifecycle(watch::Sender<Phase>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(Phase::Starting))
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
        self.phase() == Phase::Ready
    }

    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.phase() >= Phase::Stopping
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until the process was told to end.
    pub async fn wait_stopping(&self) {
        self.wait_for(Phase::Stopping).await;
    }

    /// Waits until start-up has ended.
    pub async fn wait_ready(&self) {
        self.wait_for(Phase::Ready).await;
    }

    async fn wait_for(&self, phase: Phase) {
        let mut phases = self.0.subscribe();
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = phases.wait_for(|current| *current >= phase).await;
    }

    fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let forward = *current < phase;
            if forward {
                *current = phase;
            }
            forward
        });
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

    #[tokio::test]
    async fn waiting_ends_when_the_phase_comes() {
        let lifecycle = Lifecycle::new();
        let waiting = lifecycle.clone();
        let task = tokio::spawn(async move { waiting.wait_stopping().await });
        lifecycle.stopping();
        assert!(task.await.is_ok());
    }
}

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use failsafe::{FailurePolicy, Instrument};

use super::settings::BreakerSettings;
use super::state::State;
use super::window::{Call, Verdict, Window};

/// `failsafe`'s question "is the backend dead?", answered from the window.
///
/// `failsafe` tells its policy that a call failed, not how it went; so the layer records the
/// call in the window, which both share, before it tells `failsafe`.
#[derive(Clone)]
pub(super) struct SlidingWindowPolicy {
    settings: Arc<BreakerSettings>,
    window: Arc<Mutex<Window>>,
}

impl SlidingWindowPolicy {
    pub(super) fn new(settings: Arc<BreakerSettings>) -> Self {
        let window = Arc::new(Mutex::new(closed_window(&settings)));
        Self { settings, window }
    }

    pub(super) fn record(&self, call: Call) -> Verdict {
        let mut window = self.window();
        window.record(call);
        self.verdict(&window)
    }

    /// From here the trial calls of the half-open state are counted, all of them decide.
    pub(super) fn begin_trial(&self) {
        let trials = self.settings.permitted_number_of_calls_in_half_open_state;
        *self.window() = Window::new(trials, trials);
    }

    pub(super) fn reset(&self) {
        *self.window() = closed_window(&self.settings);
    }

    pub(super) fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verdict(&self, window: &Window) -> Verdict {
        window.verdict(self.settings.failure_rate_threshold, self.settings.slow_call_rate_threshold)
    }
}

fn closed_window(settings: &BreakerSettings) -> Window {
    Window::new(settings.sliding_window_size, settings.minimum_number_of_calls)
}

impl FailurePolicy for SlidingWindowPolicy {
    fn record_success(&mut self) {}

    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        let dead = self.verdict(&self.window()) == Verdict::Exceeded;
        dead.then(|| self.settings.wait_in_open_state())
    }

    fn revived(&mut self) {
        self.reset();
    }
}

/// `failsafe` keeps its state to itself and announces each change; here it can be read.
#[derive(Clone, Default)]
pub(super) struct Announced(Arc<AtomicU8>);

impl Announced {
    const CLOSED: u8 = 0;
    const OPEN: u8 = 1;
    const HALF_OPEN: u8 = 2;

    pub(super) fn state(&self) -> State {
        match self.0.load(Ordering::Relaxed) {
            Self::OPEN => State::Open,
            Self::HALF_OPEN => State::HalfOpen,
            _ => State::Closed,
        }
    }
}

impl Instrument for Announced {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        self.0.store(Self::OPEN, Ordering::Relaxed);
    }

    fn on_half_open(&self) {
        self.0.store(Self::HALF_OPEN, Ordering::Relaxed);
    }

    fn on_closed(&self) {
        self.0.store(Self::CLOSED, Ordering::Relaxed);
    }
}

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use failsafe::{FailurePolicy, Instrument, clock};
use http_common::actuator::BreakerSnapshot;

use super::metrics::Metrics;
use super::settings::BreakerSettings;
use super::state::State;
use super::window::{Call, Verdict, Window};

/// What the calls came to and what the breaker has become since: `failsafe` asks it whether the other side is dead, and
/// announces each change of state to it, because it shows its state to nobody.
#[derive(Clone)]
pub(super) struct Course {
    settings: Arc<BreakerSettings>,
    metrics: Metrics,
    now: Arc<Mutex<Now>>,
}

struct Now {
    state: State,
    /// Counts the changes of state. The end of a call counts only in the generation that permitted it: what was asked
    /// before the last change says nothing about the state after it.
    generation: u64,
    window: Window,
    /// Trial calls of this half-open generation, under way or done.
    trials: usize,
    /// When an open breaker lets trial calls through.
    open_until: Instant,
    not_permitted: u64,
}

impl Course {
    pub(super) fn new(settings: Arc<BreakerSettings>, metrics: Metrics) -> Self {
        let now = Now {
            state: State::Closed,
            generation: 0,
            window: closed_window(&settings),
            trials: 0,
            open_until: clock::now(),
            not_permitted: 0,
        };
        Self { settings, metrics, now: Arc::new(Mutex::new(now)) }
    }

    pub(super) fn state(&self) -> State {
        self.now().state
    }

    pub(super) fn generation(&self) -> u64 {
        self.now().generation
    }

    /// Takes one of the trial calls when half-open; false: none is left.
    pub(super) fn takes_trial(&self) -> bool {
        let mut now = self.now();
        if now.state != State::HalfOpen {
            return true;
        }
        let free = now.trials < self.settings.permitted_number_of_calls_in_half_open_state;
        now.trials += usize::from(free);
        free
    }

    pub(super) fn give_trial_back(&self, generation: u64) {
        let mut now = self.now();
        if now.generation == generation && now.state == State::HalfOpen {
            now.trials -= 1;
        }
    }

    /// A call is not permitted; when the next one may be.
    pub(super) fn rejects(&self) -> Duration {
        self.metrics.not_permitted();
        let mut now = self.now();
        now.not_permitted += 1;
        match now.state {
            State::Open => now.open_until.saturating_duration_since(clock::now()),
            State::ForcedOpen => self.settings.wait_in_open_state(),
            State::Closed | State::HalfOpen | State::Disabled => Duration::ZERO,
        }
    }

    /// A call ended. What the window shows with it; a call of another generation shows nothing.
    pub(super) fn record(&self, generation: u64, failed: bool, elapsed: Duration) -> Verdict {
        self.metrics.call(failed);
        let mut now = self.now();
        if now.generation != generation || now.state == State::Disabled {
            return Verdict::TooFewCalls;
        }
        now.window.record(Call { failed, slow: elapsed > self.settings.slow_call_duration() });
        self.verdict(&now)
    }

    pub(super) fn enter(&self, state: State) {
        let mut now = self.now();
        match state {
            State::Closed => {
                now.window = closed_window(&self.settings);
                now.not_permitted = 0;
            }
            State::Open => now.open_until = clock::now() + self.settings.wait_in_open_state(),
            State::HalfOpen => {
                // All trial calls decide, and nothing before them.
                let trials = self.settings.permitted_number_of_calls_in_half_open_state;
                now.window = Window::new(trials, trials);
                now.trials = 0;
            }
            State::ForcedOpen | State::Disabled => {}
        }
        if state != now.state {
            tracing::warn!(
                breaker = self.metrics.breaker,
                from = now.state.as_str(),
                to = state.as_str(),
                "the circuit breaker changes its state"
            );
        }
        now.state = state;
        now.generation += 1;
        self.metrics.state(state);
    }

    pub(super) fn snapshot(&self) -> BreakerSnapshot {
        let now = self.now();
        BreakerSnapshot {
            state: now.state.as_str(),
            failure_rate: now.window.failure_rate(),
            slow_call_rate: now.window.slow_rate(),
            failure_rate_threshold: self.settings.failure_rate_threshold,
            slow_call_rate_threshold: self.settings.slow_call_rate_threshold,
            buffered_calls: now.window.buffered() as u64,
            failed_calls: now.window.failed() as u64,
            slow_calls: now.window.slow() as u64,
            slow_failed_calls: now.window.slow_failed() as u64,
            not_permitted_calls: now.not_permitted,
        }
    }

    fn verdict(&self, now: &Now) -> Verdict {
        now.window.verdict(self.settings.failure_rate_threshold, self.settings.slow_call_rate_threshold)
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed_window(settings: &BreakerSettings) -> Window {
    Window::new(settings.sliding_window_size, settings.minimum_number_of_calls)
}

impl FailurePolicy for Course {
    /// Recorded before, with how long it took and of which generation it is.
    fn record_success(&mut self) {}

    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        let dead = self.verdict(&self.now()) == Verdict::Exceeded;
        dead.then(|| self.settings.wait_in_open_state())
    }

    /// The window is emptied when the change is announced.
    fn revived(&mut self) {}
}

impl Instrument for Course {
    /// Only one of the reasons why a call is not permitted: [`rejects`](Self::rejects) counts all of them.
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        self.enter(State::Open);
    }

    fn on_half_open(&self) {
        self.enter(State::HalfOpen);
    }

    fn on_closed(&self) {
        self.enter(State::Closed);
    }
}

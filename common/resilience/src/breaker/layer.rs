use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use failsafe::{StateMachine, clock};
use web::actuator::{BreakerSnapshot, BreakerUpdate};

use super::metrics::Metrics;
use super::policy::{Announced, SlidingWindowPolicy};
use super::settings::BreakerSettings;
use super::state::State;
use super::window::{Call, Verdict};

/// A circuit breaker. A call asks for a [`Permit`] and tells it how it went.
pub struct Breaker {
    name: &'static str,
    settings: Arc<BreakerSettings>,
    policy: SlidingWindowPolicy,
    machine: StateMachine<SlidingWindowPolicy, Announced>,
    announced: Announced,
    metrics: Metrics,
    /// Held around every use of `machine`, so that its state and what stands here agree.
    layer: Mutex<Layer>,
}

struct Layer {
    state: State,
    /// Counts the changes of state. What a call tells is heard only in the generation that
    /// permitted it: an answer from before says nothing about now.
    generation: u64,
    /// Trial calls of this half-open generation, under way or done.
    trials: usize,
    /// When an open breaker lets trial calls through.
    open_until: Instant,
    not_permitted: u64,
}

/// The call must not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPermitted {
    /// When a call may be permitted again, as far as is known; can be zero.
    pub retry_after: Duration,
}

/// One call may be made. Dropped without a word, it counts for nothing, and its place among the
/// trial calls is free again.
#[must_use = "a permit that is dropped at once is no call"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    generation: u64,
    told: bool,
}

impl Breaker {
    /// `application` and `name` label the metrics.
    pub fn new(application: &'static str, name: &'static str, settings: &BreakerSettings) -> Self {
        let settings = Arc::new(settings.clone());
        let policy = SlidingWindowPolicy::new(settings.clone());
        let announced = Announced::default();
        let metrics = Metrics { application, breaker: name };
        metrics.begin();
        metrics.state(State::Closed);
        Self {
            name,
            machine: StateMachine::new(policy.clone(), announced.clone()),
            settings,
            policy,
            announced,
            metrics,
            layer: Mutex::new(Layer {
                state: State::Closed,
                generation: 0,
                trials: 0,
                open_until: clock::now(),
                not_permitted: 0,
            }),
        }
    }

    /// # Errors
    /// The breaker is open, or half-open with all its trial calls given out.
    pub fn try_acquire(&self) -> Result<Permit<'_>, NotPermitted> {
        let mut layer = self.lock();
        let permitted = match layer.state {
            State::Disabled => true,
            State::ForcedOpen => false,
            State::Closed | State::Open | State::HalfOpen => {
                let permitted = self.machine.is_call_permitted();
                self.follow(&mut layer);
                permitted && self.is_trial_free(&mut layer)
            }
        };
        if permitted {
            return Ok(Permit { breaker: self, generation: layer.generation, told: false });
        }
        layer.not_permitted += 1;
        let retry_after = match layer.state {
            State::Open => layer.open_until.saturating_duration_since(clock::now()),
            State::ForcedOpen => self.settings.wait_in_open_state(),
            State::Closed | State::HalfOpen | State::Disabled => Duration::ZERO,
        };
        drop(layer);
        self.metrics.not_permitted();
        Err(NotPermitted { retry_after })
    }

    /// Takes one of the trial calls when half-open.
    fn is_trial_free(&self, layer: &mut Layer) -> bool {
        if layer.state != State::HalfOpen {
            return true;
        }
        let free = layer.trials < self.settings.permitted_number_of_calls_in_half_open_state;
        layer.trials += usize::from(free);
        free
    }

    fn told(&self, generation: u64, failed: bool, elapsed: Duration) {
        self.metrics.call(failed);
        let mut layer = self.lock();
        if layer.generation != generation || layer.state == State::Disabled {
            return;
        }
        let slow = elapsed > self.settings.slow_call_duration();
        match self.policy.record(Call { failed, slow }) {
            // "Error" makes failsafe ask the policy, which looks at the window. So it is said of
            // any call that leaves the window over a threshold, a success that makes the calls
            // enough included.
            Verdict::Exceeded => self.machine.on_error(),
            // Said to a half-open machine, this closes it: all trial calls are done.
            Verdict::Healthy => self.machine.on_success(),
            Verdict::TooFewCalls => {}
        }
        self.follow(&mut layer);
    }

    fn released(&self, generation: u64) {
        let mut layer = self.lock();
        if layer.generation == generation && layer.state == State::HalfOpen {
            layer.trials -= 1;
        }
    }

    /// Notices what the machine has just become.
    fn follow(&self, layer: &mut Layer) {
        let state = self.announced.state();
        if state != layer.state {
            self.enter(layer, state);
        }
    }

    fn enter(&self, layer: &mut Layer, state: State) {
        match state {
            State::Closed => layer.not_permitted = 0,
            State::Open => layer.open_until = clock::now() + self.settings.wait_in_open_state(),
            State::HalfOpen => {
                layer.trials = 0;
                self.policy.begin_trial();
            }
            State::ForcedOpen | State::Disabled => {}
        }
        if state != layer.state {
            tracing::warn!(
                breaker = self.name,
                from = layer.state.as_str(),
                to = state.as_str(),
                "the circuit breaker changes its state"
            );
        }
        layer.state = state;
        layer.generation += 1;
        self.metrics.state(state);
    }

    fn lock(&self) -> MutexGuard<'_, Layer> {
        self.layer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl web::actuator::Breaker for Breaker {
    fn name(&self) -> &str {
        self.name
    }

    fn update(&self, update: BreakerUpdate) {
        let mut layer = self.lock();
        match update {
            BreakerUpdate::Close => {
                self.machine.reset();
                self.policy.reset();
                self.enter(&mut layer, State::Closed);
            }
            BreakerUpdate::ForceOpen => self.enter(&mut layer, State::ForcedOpen),
            BreakerUpdate::Disable => self.enter(&mut layer, State::Disabled),
        }
    }

    fn snapshot(&self) -> BreakerSnapshot {
        let layer = self.lock();
        let window = self.policy.window();
        BreakerSnapshot {
            state: layer.state.as_str(),
            failure_rate: window.failure_rate(),
            slow_call_rate: window.slow_rate(),
            failure_rate_threshold: self.settings.failure_rate_threshold,
            slow_call_rate_threshold: self.settings.slow_call_rate_threshold,
            buffered_calls: window.buffered() as u64,
            failed_calls: window.failed() as u64,
            slow_calls: window.slow() as u64,
            slow_failed_calls: window.slow_failed() as u64,
            not_permitted_calls: layer.not_permitted,
        }
    }
}

impl Permit<'_> {
    /// The call did what it should, in `elapsed`.
    pub fn succeeded(self, elapsed: Duration) {
        self.tell(false, elapsed);
    }

    /// The call failed, after `elapsed`.
    pub fn failed(self, elapsed: Duration) {
        self.tell(true, elapsed);
    }

    fn tell(mut self, failed: bool, elapsed: Duration) {
        self.told = true;
        self.breaker.told(self.generation, failed, elapsed);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.breaker.released(self.generation);
        }
    }
}

//! A circuit breaker with the names, defaults and meaning of Resilience4j's count-based one, on top of `failsafe`.
//!
//! `failsafe` owns the states CLOSED, OPEN and HALF_OPEN, and the clock between them. It asks the [`Course`] whether the
//! failures are too many, and announces to it what it has become. Around it stands what it lacks: a [window] that counts
//! slow calls too, a bounded number of trial calls when half-open (its own first success would close it), the states that
//! an operator forces, and what the [actuator](http_common::actuator::Breaker) and the metrics show.

mod course;
mod metrics;
mod settings;
mod state;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use failsafe::StateMachine;
use http_common::actuator::{BreakerSnapshot, BreakerUpdate};

use course::Course;
use metrics::Metrics;
pub use settings::BreakerSettings;
use state::State;
use window::Verdict;

/// A circuit breaker. A call asks for a [`Permit`] and reports to it how it ended.
pub struct Breaker {
    name: &'static str,
    course: Course,
    /// Held from the question to what follows from its answer, so that no other call comes between.
    machine: Mutex<Machine>,
}

type Machine = StateMachine<Course, Course>;

/// The call must not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPermitted {
    /// When a call may be permitted again, as far as is known; can be zero.
    pub retry_after: Duration,
}

/// One call may be made. A permit that is dropped without a report counts for nothing, and its
/// place among the trial calls is free again.
#[must_use = "a permit that is dropped at once is no call"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    generation: u64,
    reported: bool,
}

impl Breaker {
    /// `application` and `name` label the metrics.
    pub fn new(application: &'static str, name: &'static str, settings: &BreakerSettings) -> Self {
        let metrics = Metrics { application, breaker: name };
        metrics.begin();
        let course = Course::new(Arc::new(settings.clone()), metrics);
        Self { name, machine: Mutex::new(closed(&course)), course }
    }

    /// # Errors
    /// The breaker is open, or half-open with all its trial calls given out.
    pub fn try_acquire(&self) -> Result<Permit<'_>, NotPermitted> {
        let machine = self.machine();
        let permitted = match self.course.state() {
            State::Disabled => true,
            State::ForcedOpen => false,
            State::Closed | State::Open | State::HalfOpen => {
                machine.is_call_permitted() && self.course.takes_trial()
            }
        };
        match permitted {
            true => Ok(Permit { breaker: self, generation: self.course.generation(), reported: false }),
            false => Err(NotPermitted { retry_after: self.course.rejects() }),
        }
    }

    fn ended(&self, generation: u64, failed: bool, elapsed: Duration) {
        let machine = self.machine();
        match self.course.record(generation, failed, elapsed) {
            // `failsafe` then asks the course, which looks at the window. An "error" is therefore said of any call that
            // leaves a rate over its threshold, a success that makes the calls enough included.
            Verdict::Exceeded => machine.on_error(),
            // Said to a half-open machine, this closes it: all trial calls are done.
            Verdict::Healthy => machine.on_success(),
            Verdict::TooFewCalls => {}
        }
    }

    fn released(&self, generation: u64) {
        let _machine = self.machine();
        self.course.give_trial_back(generation);
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new machine announces that it is closed.
fn closed(course: &Course) -> Machine {
    StateMachine::new(course.clone(), course.clone())
}

impl http_common::actuator::Breaker for Breaker {
    fn name(&self) -> &str {
        self.name
    }

    fn update(&self, update: BreakerUpdate) {
        let mut machine = self.machine();
        match update {
            BreakerUpdate::Close => *machine = closed(&self.course),
            BreakerUpdate::ForceOpen => self.course.enter(State::ForcedOpen),
            BreakerUpdate::Disable => self.course.enter(State::Disabled),
        }
    }

    fn snapshot(&self) -> BreakerSnapshot {
        self.course.snapshot()
    }
}

impl Permit<'_> {
    /// The call did what it should, in `elapsed`.
    pub fn succeeded(self, elapsed: Duration) {
        self.report(false, elapsed);
    }

    /// The call failed, after `elapsed`.
    pub fn failed(self, elapsed: Duration) {
        self.report(true, elapsed);
    }

    fn report(mut self, failed: bool, elapsed: Duration) {
        self.reported = true;
        self.breaker.ended(self.generation, failed, elapsed);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.reported {
            self.breaker.released(self.generation);
        }
    }
}

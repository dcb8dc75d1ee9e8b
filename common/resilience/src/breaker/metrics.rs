//! The breaker's metrics, named as Resilience4j's Micrometer binding names them.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::state::State;

#[derive(Clone, Copy)]
pub(super) struct Metrics {
    pub(super) application: &'static str,
    pub(super) breaker: &'static str,
}

impl Metrics {
    pub(super) fn state(&self, current: State) {
        for state in State::ALL {
            gauge!(
                "resilience4j_circuitbreaker_state",
                "application" => self.application,
                "name" => self.breaker,
                "state" => state.as_str().to_ascii_lowercase(),
            )
            .set(f64::from(u8::from(state == current)));
        }
    }

    /// A counter is exported at zero first; otherwise a rate misses its first increment.
    pub(super) fn begin(&self) {
        describe_gauge!("resilience4j_circuitbreaker_state", "1: the state that the circuit breaker is in");
        describe_counter!(
            "resilience4j_circuitbreaker_calls_total",
            "Calls that the circuit breaker let pass"
        );
        describe_counter!(
            "resilience4j_circuitbreaker_not_permitted_calls_total",
            "Calls that the circuit breaker did not let pass"
        );
        self.calls(false, 0);
        self.calls(true, 0);
        self.refusals(0);
    }

    pub(super) fn call(&self, failed: bool) {
        self.calls(failed, 1);
    }

    pub(super) fn not_permitted(&self) {
        self.refusals(1);
    }

    fn calls(&self, failed: bool, count: u64) {
        counter!(
            "resilience4j_circuitbreaker_calls_total",
            "application" => self.application,
            "name" => self.breaker,
            "kind" => if failed { "failed" } else { "successful" },
        )
        .increment(count);
    }

    fn refusals(&self, count: u64) {
        counter!(
            "resilience4j_circuitbreaker_not_permitted_calls_total",
            "application" => self.application,
            "name" => self.breaker,
            "kind" => "not_permitted",
        )
        .increment(count);
    }
}

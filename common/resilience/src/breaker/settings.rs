use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, in_range};

/// The section `[circuit_breaker]`. Resilience4j's names; its defaults are this type's
/// [`Default`], what the service starts with stands in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerSettings {
    /// The last so many calls are looked at.
    pub sliding_window_size: usize,
    /// Fewer calls than this are no evidence; never more than the window holds.
    pub minimum_number_of_calls: usize,
    /// Percent of failed calls that opens the breaker.
    pub failure_rate_threshold: f64,
    /// Percent of slow calls that opens the breaker.
    pub slow_call_rate_threshold: f64,
    /// A call that takes longer is slow, whether it succeeds or fails.
    pub slow_call_duration_threshold_ms: u64,
    /// How long an open breaker refuses before it lets trial calls through.
    pub wait_duration_in_open_state_ms: u64,
    /// So many trial calls decide whether a half-open breaker closes or opens again.
    pub permitted_number_of_calls_in_half_open_state: usize,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            sliding_window_size: 100,
            minimum_number_of_calls: 100,
            failure_rate_threshold: 50.0,
            slow_call_rate_threshold: 100.0,
            slow_call_duration_threshold_ms: 60_000,
            wait_duration_in_open_state_ms: 60_000,
            permitted_number_of_calls_in_half_open_state: 10,
        }
    }
}

impl BreakerSettings {
    /// # Errors
    /// A value that no breaker can work with; named with the section's key.
    pub fn check(&self) -> Result<(), Invalid> {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        let counts = 1..=10_000;
        let percents = 0.1..=100.0;
        let key = |name: &str| format!("circuit_breaker.{name}");
        in_range(&key("sliding_window_size"), self.sliding_window_size, counts.clone())?;
        in_range(&key("minimum_number_of_calls"), self.minimum_number_of_calls, counts.clone())?;
        in_range(&key("failure_rate_threshold"), self.failure_rate_threshold, percents.clone())?;
        in_range(&key("slow_call_rate_threshold"), self.slow_call_rate_threshold, percents)?;
        in_range(&key("slow_call_duration_threshold_ms"), self.slow_call_duration_threshold_ms, 1..=DAY_MS)?;
        in_range(&key("wait_duration_in_open_state_ms"), self.wait_duration_in_open_state_ms, 0..=DAY_MS)?;
        in_range(
            &key("permitted_number_of_calls_in_half_open_state"),
            self.permitted_number_of_calls_in_half_open_state,
            counts,
        )
    }

    pub(super) fn slow_call_duration(&self) -> Duration {
        Duration::from_millis(self.slow_call_duration_threshold_ms)
    }

    pub(super) fn wait_in_open_state(&self) -> Duration {
        Duration::from_millis(self.wait_duration_in_open_state_ms)
    }
}

use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, in_range};
use storage::{DatabaseSettings, DatabaseUrl};

pub(super) const LEDGER_URL: &str = "provider.ledger_url";

/// `[provider]`: how the simulated card network behaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatedSettings {
    /// Where its ledger lies. Not payment's database: it is the outside world.
    pub ledger_url: DatabaseUrl,
    pub ledger_max_connections: u32,
    pub latency_min_ms: u64,
    pub latency_max_ms: u64,
    /// The share of calls that end in an error: half of them before the effect, half of them after it.
    pub error_rate: f64,
    /// Whether charges are taken at all; refunds always are.
    pub charge_enabled: bool,
}

impl SimulatedSettings {
    /// # Errors
    /// The first key that cannot be worked with.
    pub fn check(&self) -> Result<(), Invalid> {
        self.ledger().check().map_err(|invalid| {
            let most = invalid.key == storage::settings::MAX_CONNECTIONS;
            Invalid::new(if most { "provider.ledger_max_connections" } else { LEDGER_URL }, invalid.reason)
        })?;
        if self.latency_min_ms > self.latency_max_ms {
            let reason = format!("{} is more than provider.latency_max_ms", self.latency_min_ms);
            return Err(Invalid::new("provider.latency_min_ms", reason));
        }
        in_range("provider.latency_max_ms", self.latency_max_ms, 0..=600_000)?;
        in_range("provider.error_rate", self.error_rate, 0.0..=1.0)
    }

    pub(super) fn ledger(&self) -> DatabaseSettings {
        DatabaseSettings {
            url: self.ledger_url.clone(),
            max_connections: self.ledger_max_connections,
            acquire_timeout_ms: 5_000,
            commit_delay_ms: 2,
            synchronous_commit: true,
            initialization_fail_timeout_ms: 60_000,
            migrate: true,
        }
    }

    pub(super) fn latency(&self) -> std::ops::RangeInclusive<Duration> {
        Duration::from_millis(self.latency_min_ms)..=Duration::from_millis(self.latency_max_ms)
    }
}

use chassis::{OwnSettings, SharedSettings};
use serde::Deserialize;
use settings::{Invalid, in_range};

use crate::use_cases::watch_sagas::SagaSettings;

/// The sections that only this service has; `config/default.toml` explains them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    pub read_your_writes: ReadYourWritesSettings,
    pub sagas: SagaSettings,
}

/// `[read_your_writes]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadYourWritesSettings {
    /// How long a reader with a token waits.
    pub wait_ms: u64,
    /// How many may wait at a time.
    pub max_waiting: usize,
}

impl OwnSettings for Own {
    fn check(&self, shared: &SharedSettings) -> Result<(), Invalid> {
        // A reader who waits longer than a request may take would be told of a timeout instead of the truth.
        in_range(
            "read_your_writes.wait_ms",
            self.read_your_writes.wait_ms,
            0..=shared.server.request_timeout_ms,
        )?;
        in_range("sagas.measure_every_ms", self.sagas.measure_every_ms, 100..=3_600_000)
    }
}

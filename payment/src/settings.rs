use std::time::Duration;

use chassis::{OwnSettings, SharedSettings};
use http_common::{InternalSettings, MemorySettings};
use identity::Mode;
use serde::Deserialize;
use settings::{Invalid, in_range};

use crate::outbound::simulated::SimulatedSettings;

/// The sections that only this service has; `config/default.toml` explains them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    pub memory: MemorySettings,
    pub internal: InternalSettings,
    pub undo: UndoSettings,
    pub provider: SimulatedSettings,
}

/// `[undo]`: how charges that must not stand are taken back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoSettings {
    pub abandoned_after_ms: u64,
    pub longest_backoff_ms: u64,
}

impl UndoSettings {
    pub fn abandoned_after(&self) -> Duration {
        Duration::from_millis(self.abandoned_after_ms)
    }

    pub fn longest_backoff(&self) -> Duration {
        Duration::from_millis(self.longest_backoff_ms)
    }
}

impl OwnSettings for Own {
    fn memory(&self) -> Option<MemorySettings> {
        Some(self.memory)
    }

    fn check(&self, shared: &SharedSettings) -> Result<(), Invalid> {
        match settings::is_loopback(&shared.server.host) {
            true => self.internal.check()?,
            false => self
                .internal
                .check_needed("server.host is no loopback address and only prereservation may charge")?,
        }
        if shared.auth.mode == Mode::Required {
            self.internal.check_needed("auth.mode is required and only prereservation may charge")?;
        }
        self.provider.check()?;
        // Shorter than a charge takes, and charges that go well would be undone.
        let shortest = self.provider.latency_max_ms + 100;
        in_range("undo.abandoned_after_ms", self.undo.abandoned_after_ms, shortest..=3_600_000)?;
        in_range("undo.longest_backoff_ms", self.undo.longest_backoff_ms, 100..=3_600_000)
    }
}

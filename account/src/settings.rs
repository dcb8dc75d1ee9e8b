use chassis::{OwnSettings, SharedSettings};
use http_common::MemorySettings;
use serde::Deserialize;
use settings::Invalid;

/// The sections that only this service has; `config/default.toml` explains them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    pub memory: MemorySettings,
}

impl OwnSettings for Own {
    fn memory(&self) -> Option<MemorySettings> {
        Some(self.memory)
    }

    fn check(&self, _: &SharedSettings) -> Result<(), Invalid> {
        Ok(())
    }
}

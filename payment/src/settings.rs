use std::time::Duration;

use chassis::{Parts, ServiceSettings};
use http_common::{InternalSettings, ManagementSettings, MemorySettings};
use messaging::{ConsumerSettings, EventLogSettings, KafkaSettings};
use rest::ServerSettings;
use serde::Deserialize;
use settings::{Invalid, in_range};
use storage::DatabaseSettings;
use telemetry::{LogSettings, TracingSettings};

use crate::outbound::simulated::SimulatedSettings;

/// Every key with its default and meaning.
pub const DEFAULTS: &str = include_str!("../config/default.toml");
pub const PROFILES: &[(&str, &str)] = &[("docker", include_str!("../config/docker.toml"))];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: ServerSettings,
    pub management: ManagementSettings,
    pub memory: MemorySettings,
    pub log: LogSettings,
    pub tracing: TracingSettings,
    pub database: DatabaseSettings,
    pub event_log: EventLogSettings,
    pub kafka: KafkaSettings,
    pub consumer: ConsumerSettings,
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

impl ServiceSettings for Settings {
    fn server(&self) -> &ServerSettings {
        &self.server
    }

    fn management(&self) -> &ManagementSettings {
        &self.management
    }

    fn memory(&self) -> Option<MemorySettings> {
        Some(self.memory)
    }

    fn log(&self) -> &LogSettings {
        &self.log
    }

    fn tracing(&self) -> &TracingSettings {
        &self.tracing
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            database: &self.database,
            event_log: &self.event_log,
            kafka: &self.kafka,
            management: &self.management,
        }
    }

    fn check(&self) -> Result<(), Invalid> {
        self.server.check()?;
        self.management.check()?;
        match settings::is_loopback(&self.server.host) {
            true => self.internal.check()?,
            false => self
                .internal
                .check_needed("server.host is no loopback address and only prereservation may charge")?,
        }
        chassis::check_parts(&self.database, &self.event_log, &self.kafka)?;
        self.consumer.check().map_err(|line| {
            let (key, reason) = line.split_once(": ").unwrap_or(("consumer", &line));
            Invalid::new(key, reason)
        })?;
        self.provider.check()?;
        // Shorter than a charge takes, and charges that go well would be undone.
        let shortest = self.provider.latency_max_ms + 100;
        in_range("undo.abandoned_after_ms", self.undo.abandoned_after_ms, shortest..=3_600_000)?;
        in_range("undo.longest_backoff_ms", self.undo.longest_backoff_ms, 100..=3_600_000)
    }
}

use chassis::{Parts, ServiceSettings};
use http_common::ManagementSettings;
use messaging::{ConsumerSettings, EventLogSettings, KafkaSettings};
use rest::ServerSettings;
use serde::Deserialize;
use settings::{Invalid, in_range};
use storage::DatabaseSettings;
use telemetry::{LogSettings, TracingSettings};

use crate::use_cases::watch_sagas::SagaSettings;

/// Every key with its default and meaning.
pub const DEFAULTS: &str = include_str!("../config/default.toml");
pub const PROFILES: &[(&str, &str)] = &[("docker", include_str!("../config/docker.toml"))];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: ServerSettings,
    pub management: ManagementSettings,
    pub log: LogSettings,
    pub tracing: TracingSettings,
    pub database: DatabaseSettings,
    pub event_log: EventLogSettings,
    pub kafka: KafkaSettings,
    pub consumer: ConsumerSettings,
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

impl ServiceSettings for Settings {
    fn server(&self) -> &ServerSettings {
        &self.server
    }

    fn management(&self) -> &ManagementSettings {
        &self.management
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
        chassis::check_parts(&self.database, &self.event_log, &self.kafka)?;
        chassis::check_consumer(&self.consumer)?;
        // A reader who waits longer than a request may take would be told of a timeout instead of the truth.
        in_range(
            "read_your_writes.wait_ms",
            self.read_your_writes.wait_ms,
            0..=self.server.request_timeout_ms,
        )?;
        in_range("sagas.measure_every_ms", self.sagas.measure_every_ms, 100..=3_600_000)
    }
}

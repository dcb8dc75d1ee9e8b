//! The settings of a service: the sections that every service has, and its own.

use http_common::{ManagementSettings, MemorySettings};
use identity::AuthSettings;
use messaging::{ConsumerSettings, EventLogSettings, KafkaSettings};
use rest::ServerSettings;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use settings::{Compiled, Invalid};
use storage::DatabaseSettings;
use telemetry::{LogSettings, TracingSettings};

/// What every service can be told, commented; and what is different in containers.
pub const SHARED: Compiled = Compiled {
    defaults: include_str!("../config/service.toml"),
    profiles: &[("docker", include_str!("../config/docker.toml"))],
};

/// The sections that every service has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedSettings {
    pub server: ServerSettings,
    pub management: ManagementSettings,
    pub log: LogSettings,
    pub tracing: TracingSettings,
    pub database: DatabaseSettings,
    pub event_log: EventLogSettings,
    pub kafka: KafkaSettings,
    pub consumer: ConsumerSettings,
    pub auth: AuthSettings,
}

impl SharedSettings {
    /// # Errors
    /// The first key whose value cannot be worked with.
    pub fn check(&self) -> Result<(), Invalid> {
        self.server.check()?;
        self.management.check()?;
        self.database.check()?;
        self.event_log.location(&self.kafka)?;
        self.consumer.check()?;
        self.auth.check()
    }
}

/// The sections that only one service has.
pub trait OwnSettings: DeserializeOwned + Clone {
    /// # Errors
    /// The first key whose value cannot be worked with.
    fn check(&self, shared: &SharedSettings) -> Result<(), Invalid>;

    /// Of a service that sees secrets of its customers.
    fn memory(&self) -> Option<MemorySettings> {
        None
    }
}

/// A service that has only what every service has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NothingOfItsOwn {}

impl OwnSettings for NothingOfItsOwn {
    fn check(&self, _: &SharedSettings) -> Result<(), Invalid> {
        Ok(())
    }
}

/// All that a service can be told.
#[derive(Clone, Debug)]
pub struct Settings<O> {
    pub shared: SharedSettings,
    pub own: O,
}

//! The settings of a service: the sections that every service has, and its own.

use http_common::{ManagementSettings, MemorySettings};
use identity::AuthSettings;
use messaging::{ConsumerSettings, EventLogSettings, KafkaSettings};
use rest::ServerSettings;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use settings::{Compiled, Invalid, Layers, Surroundings};
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

/// Whether `[consumer]` says anything but what is compiled in.
pub(crate) fn is_set(consumer: &ConsumerSettings) -> bool {
    let nowhere = Surroundings { directories: Vec::new(), variable: &|_| None };
    let own = Compiled { defaults: "", profiles: &[] };
    let layers = Layers { shared: SHARED, own, profile: None, env_prefix: None, sections: &[] };
    let unset =
        settings::load_parts_in(&nowhere, &layers, |_: &mut SharedSettings, _: &mut NothingOfItsOwn| Ok(()));
    unset.is_ok_and(|(shared, _)| shared.consumer != *consumer)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_says_what_is_compiled_in_is_not_set() {
        let unset = ConsumerSettings { batch: 256, attempts: 3, longest_backoff_ms: 5_000 };
        assert!(!is_set(&unset));
        assert!(is_set(&ConsumerSettings { attempts: 4, ..unset }));
    }
}

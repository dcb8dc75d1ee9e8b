//! The `[server]` section that every service has.

use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, in_range, non_empty};

/// How a server listens, what it accepts, and how it ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    pub host: String,
    /// 0 takes a free one.
    pub port: u16,
    /// Threads that answer; 0 means one for each core.
    pub workers: usize,
    /// From the whole request head to the answer.
    pub request_timeout_ms: u64,
    /// What a client may take to send the head, and then to send the body.
    pub header_timeout_ms: u64,
    /// How long an idle connection stays open.
    pub keep_alive_ms: u64,
    /// At the same time; more wait in the listener's queue.
    pub max_connections: usize,
    pub body_limit_bytes: usize,
    /// After readiness went off, until no more connections are accepted: what a load balancer takes to notice.
    pub shutdown_delay_ms: u64,
    /// How long requests in flight may take after that.
    pub shutdown_timeout_ms: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            workers: 0,
            request_timeout_ms: 10_000,
            header_timeout_ms: 5_000,
            keep_alive_ms: 75_000,
            max_connections: 10_000,
            body_limit_bytes: 65_536,
            shutdown_delay_ms: 0,
            shutdown_timeout_ms: 10_000,
        }
    }
}

impl ServerSettings {
    /// Everything that a start, or the first request, would stumble over.
    ///
    /// # Errors
    /// The key, and what is wrong with its value.
    pub fn check(&self) -> Result<(), Invalid> {
        const DAY_MS: u64 = 86_400_000;
        non_empty("server.host", &self.host)?;
        in_range("server.workers", self.workers, 0..=1024)?;
        in_range("server.max_connections", self.max_connections, 1..=10_000_000)?;
        in_range("server.body_limit_bytes", self.body_limit_bytes, 1..=1 << 30)?;
        for (key, ms, least) in [
            ("server.request_timeout_ms", self.request_timeout_ms, 1),
            ("server.header_timeout_ms", self.header_timeout_ms, 1),
            ("server.keep_alive_ms", self.keep_alive_ms, 1),
            ("server.shutdown_delay_ms", self.shutdown_delay_ms, 0),
            ("server.shutdown_timeout_ms", self.shutdown_timeout_ms, 0),
        ] {
            in_range(key, ms, least..=DAY_MS)?;
        }
        Ok(())
    }

    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    #[must_use]
    pub fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    #[must_use]
    pub fn keep_alive(&self) -> Duration {
        Duration::from_millis(self.keep_alive_ms)
    }

    #[must_use]
    pub fn shutdown_delay(&self) -> Duration {
        Duration::from_millis(self.shutdown_delay_ms)
    }

    #[must_use]
    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_millis(self.shutdown_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_named() {
        assert!(ServerSettings::default().check().is_ok());
        let key_of = |settings: ServerSettings| settings.check().err().map(|invalid| invalid.key);
        let nobody = ServerSettings { max_connections: 0, ..ServerSettings::default() };
        assert_eq!(key_of(nobody).as_deref(), Some("server.max_connections"));
        let never = ServerSettings { request_timeout_ms: 0, ..ServerSettings::default() };
        assert_eq!(key_of(never).as_deref(), Some("server.request_timeout_ms"));
    }
}

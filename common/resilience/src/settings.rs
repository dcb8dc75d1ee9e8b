use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, in_range};

/// The section `[<service>_client]` of a service that calls another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// A call that has no complete answer by then has an unknown outcome.
    pub timeout_ms: u64,
    /// Without a connection by then, nothing was sent. At most `timeout_ms`.
    pub connect_timeout_ms: u64,
    /// The bulkhead: so many calls may wait at a time; one more is answered at once.
    pub max_concurrent_calls: usize,
    /// An idle connection is closed after this; keep it below the other service's `server.keep_alive_ms`,
    /// or that one closes the connection under a request, which is then sent twice.
    pub pool_idle_timeout_ms: u64,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            timeout_ms: 620,
            connect_timeout_ms: 300,
            max_concurrent_calls: 256,
            pool_idle_timeout_ms: 4_000,
        }
    }
}

impl ClientSettings {
    /// `section` names it in errors.
    ///
    /// # Errors
    /// A value that no client can work with, or a combination that makes no sense.
    pub fn check(&self, section: &str) -> Result<(), Invalid> {
        const HOUR_MS: u64 = 60 * 60 * 1000;
        let key = |name: &str| format!("{section}.{name}");
        in_range(&key("timeout_ms"), self.timeout_ms, 1..=HOUR_MS)?;
        in_range(&key("connect_timeout_ms"), self.connect_timeout_ms, 1..=self.timeout_ms)?;
        in_range(&key("max_concurrent_calls"), self.max_concurrent_calls, 1..=100_000)?;
        in_range(&key("pool_idle_timeout_ms"), self.pool_idle_timeout_ms, 1..=HOUR_MS)
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn pool_idle_timeout(&self) -> Duration {
        Duration::from_millis(self.pool_idle_timeout_ms)
    }
}

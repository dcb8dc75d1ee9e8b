//! The `[management]` section that every process has: where operators see and change everything, what everybody may see
//! elsewhere, and from when on it is a fault.

use std::path::PathBuf;

use serde::Deserialize;
use settings::{Invalid, non_empty};

use crate::forwarded::is_authority;

/// Endpoints that are harmless to read for whoever can reach the port.
const MAY_BE_EXPOSED: [&str; 3] = ["health", "info", "prometheus"];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagementSettings {
    /// Where the port below listens.
    pub host: String,
    /// 0, or the server's own: no listener of its own; the server's port answers, to callers on this machine.
    pub port: u16,
    /// Names under which it may be asked, beside addresses, `localhost` and names without a dot.
    pub allowed_hosts: Vec<String>,
    /// What everybody may read at the server's own port.
    pub exposed: Vec<String>,
    pub health: HealthSettings,
}

impl Default for ManagementSettings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            allowed_hosts: Vec::new(),
            exposed: vec!["health".to_owned(), "info".to_owned()],
            health: HealthSettings::default(),
        }
    }
}

impl ManagementSettings {
    /// # Errors
    /// The key, and what is wrong with its value.
    pub fn check(&self) -> Result<(), Invalid> {
        non_empty("management.host", &self.host)?;
        if let Some(wrong) =
            self.allowed_hosts.iter().find(|host| !is_authority(host) || host.contains([':', '*']))
        {
            return Err(Invalid::new(
                "management.allowed_hosts",
                format!("{wrong:?} is no name of a host such as ops.example"),
            ));
        }
        if let Some(wrong) = self.exposed.iter().find(|name| !MAY_BE_EXPOSED.contains(&name.as_str())) {
            return Err(Invalid::new(
                "management.exposed",
                format!("{wrong:?} is none of {}", MAY_BE_EXPOSED.join(", ")),
            ));
        }
        Ok(())
    }

    /// Whether it has a listener of its own, beside that at `server_port`.
    #[must_use]
    pub fn is_separate(&self, server_port: u16) -> bool {
        self.port != 0 && self.port != server_port
    }
}

/// `[management.health]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthSettings {
    pub diskspace: DiskSpaceSettings,
}

/// `[management.health.diskspace]`, as in Spring Boot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskSpaceSettings {
    /// A file or directory on the file system that is meant; empty: where the process keeps its files.
    pub path: PathBuf,
    /// Bytes. With less than that the component `diskSpace` is down.
    pub threshold: u64,
}

impl Default for DiskSpaceSettings {
    fn default() -> Self {
        Self { path: PathBuf::new(), threshold: 10 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_named() {
        assert!(ManagementSettings::default().check().is_ok());
        let key_of = |settings: ManagementSettings| settings.check().err().map(|invalid| invalid.key);
        let list = |text: &str| vec![text.to_owned()];
        for exposed in ["loggers", "*", "metrics", ""] {
            let settings = ManagementSettings { exposed: list(exposed), ..Default::default() };
            assert_eq!(key_of(settings).as_deref(), Some("management.exposed"), "{exposed}");
        }
        for host in ["*", "ops.example:9080", "http://ops.example", ""] {
            let settings = ManagementSettings { allowed_hosts: list(host), ..Default::default() };
            assert_eq!(key_of(settings).as_deref(), Some("management.allowed_hosts"), "{host}");
        }
        let nowhere = ManagementSettings { host: String::new(), ..Default::default() };
        assert_eq!(key_of(nowhere).as_deref(), Some("management.host"));
    }

    #[test]
    fn it_is_separate_where_it_has_another_port() {
        let at = |port| ManagementSettings { port, ..Default::default() };
        assert!(!at(0).is_separate(8081) && !at(8081).is_separate(8081) && at(9081).is_separate(8081));
    }
}

//! The `[management]` section that every process has: what operators see, and from when on it is a fault.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagementSettings {
    pub health: HealthSettings,
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

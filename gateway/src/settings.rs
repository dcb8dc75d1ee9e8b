//! What can be set, typed. `config/default.toml` explains every key.

use std::{collections::BTreeMap, time::Duration};

use http_common::{ManagementSettings, MemorySettings};
use ipnet::IpNet;
use serde::Deserialize;
use telemetry::{LogSettings, TracingSettings};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: ServerSettings,
    pub management: ManagementSettings,
    pub upstream: UpstreamSettings,
    pub forwarded: ForwardedSettings,
    pub cors: CorsSettings,
    pub url: BTreeMap<String, String>,
    pub routes: Vec<RouteSettings>,
    pub memory: MemorySettings,
    pub log: LogSettings,
    pub tracing: TracingSettings,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    pub host: String,
    pub port: u16,
    pub workers: usize,
    pub reuse_port: bool,
    pub max_connections: usize,
    pub header_timeout_ms: u64,
    pub body_timeout_ms: u64,
    pub request_timeout_ms: u64,
    pub stall_timeout_ms: u64,
    pub keep_alive_ms: u64,
    pub header_limit_bytes: usize,
    pub body_limit_bytes: u64,
    pub body_buffer_bytes: usize,
    pub max_uploads_per_client: usize,
    pub shutdown_delay_ms: u64,
    pub shutdown_timeout_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    pub connect_timeout_ms: u64,
    pub idle_timeout_ms: u64,
    pub max_connections: usize,
    pub max_waiting: usize,
    pub retry_after_ms: u64,
    pub retry_after_max_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardedSettings {
    pub trusted_proxies: Vec<IpNet>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsSettings {
    pub allowed_origins: Vec<String>,
    pub allowed_methods: Vec<String>,
    pub allowed_headers: Vec<String>,
    pub exposed_headers: Vec<String>,
    pub allow_credentials: bool,
    pub max_age_ms: u64,
}

/// One row of the route table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteSettings {
    pub id: String,
    pub uri: Option<String>,
    pub uris: Vec<String>,
    pub path: String,
    pub methods: Vec<String>,
    pub body_limit_bytes: Option<u64>,
    pub body_timeout_ms: Option<u64>,
    pub response_timeout_ms: Option<u64>,
    pub connect_timeout_ms: Option<u64>,
}

/// What workers may take to end after their last answer.
const WORKERS_LIMIT: Duration = Duration::from_secs(10);

impl ServerSettings {
    /// How long the gateway may take from the signal to its end; a part that takes longer has stopped working.
    pub fn stop_limit(&self) -> Duration {
        self.shutdown_delay() + self.shutdown_timeout() + WORKERS_LIMIT
    }

    pub(crate) fn shutdown_delay(&self) -> Duration {
        Duration::from_millis(self.shutdown_delay_ms)
    }

    pub(crate) fn shutdown_timeout(&self) -> Duration {
        Duration::from_millis(self.shutdown_timeout_ms)
    }
}

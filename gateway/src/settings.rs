//! What can be set, typed. `config/default.toml` explains every key.

use std::{collections::BTreeMap, time::Duration};

use ipnet::IpNet;
use serde::Deserialize;
use settings::{Invalid, Layers, SettingsError, Surroundings, in_range, non_empty};
use telemetry::{LogSettings, TracingSettings};
use web::{ManagementSettings, MemorySettings};

use crate::gateway::Gateway;

const DEFAULTS: &str = include_str!("../config/default.toml");
const PROFILES: &[(&str, &str)] = &[("docker", include_str!("../config/docker.toml"))];

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

impl Settings {
    /// The settings of this process: defaults, profile, files, environment.
    ///
    /// # Errors
    /// The first thing that is wrong, as one line that names the key and where it came from.
    pub fn load(profile: Option<String>, env_prefix: Option<&str>) -> Result<Self, SettingsError> {
        settings::load_checked(&layers(profile, env_prefix), Self::check)
    }

    /// What is compiled in, whatever files and variables say: a start for tests.
    ///
    /// # Errors
    /// An unknown profile.
    pub fn compiled_in(profile: Option<String>) -> Result<Self, SettingsError> {
        settings::load_in(&Surroundings::none(), &layers(profile, None), Self::check)
    }

    /// Everything a start would stumble over.
    ///
    /// # Errors
    /// The key, and what is wrong with its value.
    pub fn check(&self) -> Result<(), Invalid> {
        let server = &self.server;
        non_empty("server.host", &server.host)?;
        self.management.check()?;
        in_range("server.workers", server.workers, 0..=1024)?;
        in_range("server.max_connections", server.max_connections, 1..=10_000_000)?;
        // hyper reads a head into a buffer of at most 400 kB.
        in_range("server.header_limit_bytes", server.header_limit_bytes, 1024..=262_144)?;
        in_range("server.body_buffer_bytes", server.body_buffer_bytes, 0..=67_108_864)?;
        in_range("server.max_uploads_per_client", server.max_uploads_per_client, 1..=10_000_000)?;
        in_range("upstream.max_connections", self.upstream.max_connections, 1..=1_000_000)?;
        in_range("upstream.max_waiting", self.upstream.max_waiting, 0..=10_000_000)?;
        for (key, ms) in [
            ("server.header_timeout_ms", server.header_timeout_ms),
            ("server.body_timeout_ms", server.body_timeout_ms),
            ("server.request_timeout_ms", server.request_timeout_ms),
            ("server.stall_timeout_ms", server.stall_timeout_ms),
            ("server.keep_alive_ms", server.keep_alive_ms),
            ("upstream.connect_timeout_ms", self.upstream.connect_timeout_ms),
            ("upstream.idle_timeout_ms", self.upstream.idle_timeout_ms),
            ("upstream.retry_after_ms", self.upstream.retry_after_ms),
        ] {
            in_range(key, ms, 1..=86_400_000)?;
        }
        Gateway::compile(self).map(|_| ())
    }
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

fn layers(profile: Option<String>, env_prefix: Option<&str>) -> Layers<'_> {
    Layers { defaults: DEFAULTS, profiles: PROFILES, profile, env_prefix, sections: &[] }
}

//! Where the settings come from, and everything a start would stumble over.

use settings::{Compiled, Invalid, Layers, SettingsError, Surroundings, in_range, non_empty};

use crate::{gateway::Gateway, settings::Settings};

/// Every key with its default and meaning.
pub const DEFAULTS: &str = include_str!("../config/default.toml");
const PROFILES: &[(&str, &str)] = &[("docker", include_str!("../config/docker.toml"))];

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

fn layers(profile: Option<String>, env_prefix: Option<&str>) -> Layers<'_> {
    let own = Compiled { defaults: DEFAULTS, profiles: PROFILES };
    Layers { own, profile, env_prefix, ..Layers::default() }
}

//! Layered, typed settings.
//!
//! Later wins:
//!
//! 1. the commented `default.toml`, compiled in. It names **every** key, so it is the list of what may be set, and the
//!    type of each default is the type of its key; an empty table (`[kafka.properties]`) takes any keys;
//! 2. the profile's overrides, compiled in (`config/docker.toml`);
//! 3. `application-<profile>.toml` beside the executable, then in `./config`;
//! 4. environment variables: `server.request_timeout_ms` is `SERVER_REQUEST_TIMEOUT_MS`. Only the variables of known
//!    keys are read: Kubernetes puts `PAYMENT_PORT=tcp://10.0.0.7:8080` and its kin into every pod, and they are not ours.
//!
//! Whatever is wrong is one line that names the key and where its value came from:
//!
//! ```text
//! server.port: expected an integer, found "abc" (environment variable SERVER_PORT)
//! server.prot: unknown key, did you mean server.port? (./config/application-docker.toml)
//! ```
//!
//! ```
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Server { port: u16 }
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings { server: Server }
//!
//! let layers = settings::Layers {
//!     defaults: "[server]\nport = 8081 # where we listen",
//!     profiles: &[("docker", "[server]\nport = 8080")],
//!     profile: Some("docker".to_owned()),
//!     env_prefix: None,
//!     sections: &[],
//! };
//! let settings: Settings = settings::load(&layers)?;
//! assert_eq!(settings.server.port, 8080);
//! # Ok::<(), settings::SettingsError>(())
//! ```
//!
//! In one process with several services each has an `env_prefix`: with `PAYMENT` its variables are
//! `PAYMENT_SERVER_PORT`, and in `application-<profile>.toml` its keys stand below `[payment]`.

mod check;
mod environment;
mod error;
mod layer;
mod profile;
mod schema;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

pub use check::{Invalid, in_range, is_loopback, non_empty, url};
pub use environment::variables;
pub use error::SettingsError;
pub use profile::active_profile;

use layer::Layer;
use schema::Schema;

/// What a service's settings are made of; see the crate's documentation for the order.
#[derive(Debug, Clone, Default)]
pub struct Layers<'a> {
    /// The commented TOML that names every key.
    pub defaults: &'a str,
    /// Compiled-in overrides: (profile, TOML).
    pub profiles: &'a [(&'a str, &'a str)],
    /// The profile chosen, usually by [`active_profile`]; `None` is the default profile.
    pub profile: Option<String>,
    /// Distinguishes services that share a process.
    pub env_prefix: Option<&'a str>,
    /// Of the process that they share: the tables of a file that are theirs.
    pub sections: &'a [&'a str],
}

/// Where files and variables are looked for. A value, so that tests need not touch the process.
pub struct Surroundings<'a> {
    /// Directories that may hold `application-<profile>.toml`; later wins.
    pub directories: Vec<PathBuf>,
    /// Looks up one environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Surroundings<'_> {
    /// The executable's directory, `./config`, and the environment of this process.
    pub fn of_process() -> Surroundings<'static> {
        let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(PathBuf::from));
        Surroundings {
            directories: beside.into_iter().chain([PathBuf::from("./config")]).collect(),
            variable: &|name| std::env::var_os(name),
        }
    }

    /// Nothing but what is compiled in.
    pub fn none() -> Surroundings<'static> {
        Surroundings { directories: Vec::new(), variable: &|_| None }
    }
}

/// Loads the settings of this process.
///
/// # Errors
/// The first thing that is wrong, as one line: an unknown key or profile, a wrong type, an unparsable file, a value
/// that `T` refuses.
pub fn load<T: DeserializeOwned>(layers: &Layers) -> Result<T, SettingsError> {
    load_checked(layers, |_: &T| Ok(()))
}

/// As [`load`], then asks `check`; what it objects to is reported with the origin of the key it names.
///
/// # Errors
/// As [`load`], and what `check` answers.
pub fn load_checked<T: DeserializeOwned>(
    layers: &Layers,
    check: impl FnOnce(&T) -> Result<(), Invalid>,
) -> Result<T, SettingsError> {
    load_in(&Surroundings::of_process(), layers, check)
}

/// As [`load_checked`], with surroundings of the caller's choice.
///
/// # Errors
/// As [`load_checked`].
pub fn load_in<T: DeserializeOwned>(
    surroundings: &Surroundings,
    layers: &Layers,
    check: impl FnOnce(&T) -> Result<(), Invalid>,
) -> Result<T, SettingsError> {
    let schema = Schema::of(layers.defaults)?;
    let mut stack = vec![schema.defaults_layer()];
    stack.extend(profile::layers(&schema, layers, surroundings)?);
    stack.extend(environment::layer(&schema, layers.env_prefix, surroundings.variable)?);

    let mut origins = Origins::default();
    let mut builder = config::Config::builder();
    for layer in stack {
        origins.note(&layer);
        builder = builder.add_source(layer);
    }
    let settings: T = builder
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|error| error::refused(error, &origins))?;
    check(&settings).map_err(|invalid| SettingsError::Invalid {
        origin: origins.of(&invalid.key),
        key: invalid.key,
        reason: invalid.reason,
    })?;
    Ok(settings)
}

/// Which layer had the last word on a key.
#[derive(Default)]
struct Origins(BTreeMap<String, String>);

impl Origins {
    fn note(&mut self, layer: &Layer) {
        for key in layer.keys() {
            self.0.insert(key, layer.origin.clone());
        }
    }

    /// The origin of the key, or of what contains it (`gateway.routes[2].uri` came with `gateway.routes`).
    fn of(&self, key: &str) -> String {
        let mut path = key;
        loop {
            if let Some(origin) = self.0.get(path) {
                return origin.clone();
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return "the compiled-in defaults".to_owned(),
            }
        }
    }
}

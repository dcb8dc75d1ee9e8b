//! Layered, typed settings.
//!
//! Later wins:
//!
//! 1. the commented defaults, compiled in: those that services share, then the service's own. Together they name **every**
//!    key, so they are the list of what may be set, and the type of each default is the type of its key; an empty table
//!    (`[kafka.properties]`) takes any keys;
//! 2. the profile's overrides, compiled in;
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
//!     own: settings::Compiled {
//!         defaults: "[server]\nport = 8081 # where we listen",
//!         profiles: &[("docker", "[server]\nport = 8080")],
//!     },
//!     profile: Some("docker".to_owned()),
//!     ..settings::Layers::default()
//! };
//! let settings: Settings = settings::load(&layers)?;
//! assert_eq!(settings.server.port, 8080);
//! # Ok::<(), settings::SettingsError>(())
//! ```
//!
//! In one process with several services each has an `env_prefix`: with `PAYMENT` its variables are
//! `PAYMENT_SERVER_PORT`, and in `application-<profile>.toml` its keys stand below `[payment]`.
//!
//! `config` parses the files, merges the layers and fills the structs. This crate decides what is a layer, and makes the
//! one-line errors.

mod check;
mod environment;
mod error;
mod layers;
mod load;
mod profile;
mod schema;

pub use check::{Invalid, in_range, is_loopback, non_empty, url};
pub use environment::variables;
pub use error::SettingsError;
pub use layers::{Compiled, Layers, Surroundings};
pub use load::{load, load_checked, load_in, load_parts_in};
pub use profile::active_profile;

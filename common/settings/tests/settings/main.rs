//! Settings as a service sees them. The environment is handed in; the process's own stays untouched.
#![allow(clippy::unwrap_used)]

mod errors;
mod layers;
mod parts;
mod properties;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use serde::Deserialize;
use settings::{Compiled, Invalid, Layers, SettingsError, Surroundings, load_in};

const DEFAULTS: &str = r#"
[server]
host = "127.0.0.1"   # where to listen
port = 8081
keep_alive = true
ratio = 1.0
[url]
payment = "http://localhost:8081"
[kafka]
brokers = ""
sasl_password = ""
[kafka.properties]
[cors]
origins = []
[[routes]]
id = "payment"
uri = "http://localhost:8081"
"#;

const PROFILES: &[(&str, &str)] =
    &[("docker", "[server]\nhost = \"0.0.0.0\"\nport = 8080\n[kafka]\nbrokers = \"my-kafka:9092\"")];

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    server: Server,
    url: HashMap<String, String>,
    kafka: Kafka,
    cors: Cors,
    routes: Vec<Route>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    host: String,
    port: u16,
    keep_alive: bool,
    ratio: f64,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kafka {
    brokers: String,
    sasl_password: String,
    properties: HashMap<String, String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cors {
    origins: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    id: String,
    uri: String,
}

/// One start of a service: a profile, files, variables.
#[derive(Default)]
struct Start<'a> {
    profile: Option<&'a str>,
    prefix: Option<&'a str>,
    sections: &'a [&'a str],
    directories: Vec<&'a Path>,
    variables: Vec<(&'a str, &'a str)>,
}

impl Start<'_> {
    fn load(&self) -> Result<Settings, SettingsError> {
        self.load_checked(|_| Ok(()))
    }

    fn load_checked(
        &self,
        check: impl FnOnce(&Settings) -> Result<(), Invalid>,
    ) -> Result<Settings, SettingsError> {
        let variables: HashMap<_, _> = self.variables.iter().copied().collect();
        load_in(
            &Surroundings {
                directories: self.directories.iter().map(Into::into).collect(),
                variable: &|name| variables.get(name).map(OsString::from),
            },
            &Layers {
                own: Compiled { defaults: DEFAULTS, profiles: PROFILES },
                profile: self.profile.map(str::to_owned),
                env_prefix: self.prefix,
                sections: self.sections,
                ..Layers::default()
            },
            check,
        )
    }

    fn error(&self) -> String {
        let line = self.load().unwrap_err().to_string();
        assert!(!line.contains('\n'), "{line:?} is one line");
        line
    }
}

fn with_variable<'a>(name: &'a str, value: &'a str) -> Start<'a> {
    Start { variables: vec![(name, value)], ..Start::default() }
}

/// A directory with `application-docker.toml`.
fn directory(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("application-docker.toml"), text).unwrap();
    directory
}

fn compiled_in(defaults: &str) -> Layers<'_> {
    Layers { own: Compiled { defaults, profiles: &[] }, ..Layers::default() }
}

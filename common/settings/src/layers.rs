//! What the settings are put together from.

use std::ffi::OsString;
use std::path::PathBuf;

/// Commented defaults and profiles, as a crate carries them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compiled<'a> {
    /// TOML.
    pub defaults: &'a str,
    /// Overrides: (profile, TOML).
    pub profiles: &'a [(&'a str, &'a str)],
}

/// What a service's settings are made of; see the crate's documentation for the order.
#[derive(Debug, Clone, Default)]
pub struct Layers<'a> {
    /// The sections that several services have.
    pub shared: Compiled<'a>,
    /// The service's own sections, and its own values in the shared ones.
    pub own: Compiled<'a>,
    /// The profile chosen, usually by [`active_profile`](crate::active_profile); `None` is the default profile.
    pub profile: Option<String>,
    /// Distinguishes services that share a process.
    pub env_prefix: Option<&'a str>,
    /// Of the process that they share: the tables of a file that are theirs.
    pub sections: &'a [&'a str],
}

impl<'a> Layers<'a> {
    /// The defaults, the weakest first.
    pub(crate) fn defaults(&self) -> [&'a str; 2] {
        [self.shared.defaults, self.own.defaults]
    }

    /// The compiled-in profiles, the weakest first.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = &'a (&'a str, &'a str)> {
        self.shared.profiles.iter().chain(self.own.profiles)
    }
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

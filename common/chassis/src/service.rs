//! A service as its `app.rs` describes it.

use futures::future::BoxFuture;
use settings::{Compiled, Layers, SettingsError, Surroundings};

use crate::application::Application;
use crate::chassis::StartError;
use crate::settings::{OwnSettings, SHARED, Settings, SharedSettings};

pub struct Service<O> {
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// Its own sections, and where it differs in those that every service has.
    pub settings: Compiled<'static>,
    pub build: fn(Settings<O>) -> BoxFuture<'static, Result<Application, StartError>>,
}

impl<O: OwnSettings> Service<O> {
    /// The settings of this process.
    ///
    /// # Errors
    /// The first thing that is wrong, as one line.
    pub fn load(&self, profile: Option<String>) -> Result<Settings<O>, SettingsError> {
        load(&Surroundings::of_process(), &self.layers(profile, None), |_| {})
    }

    /// The settings of one service among several of this process, whose names begin with the prefix. `complete` adds what
    /// the process makes up itself, before they are checked.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_among(
        &self,
        prefix: &str,
        profile: Option<String>,
        complete: impl FnOnce(&mut O),
    ) -> Result<Settings<O>, SettingsError> {
        load(&Surroundings::of_process(), &self.layers(profile, Some(prefix)), complete)
    }

    /// What is compiled in, and these variables: a start for tests.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn compiled_in(
        &self,
        profile: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<Settings<O>, SettingsError> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        let surroundings = Surroundings { directories: Vec::new(), variable: &variable };
        load(&surroundings, &self.layers(profile.map(str::to_owned), None), |_| {})
    }

    /// Every key with its default and meaning. The second part wins over the first.
    pub fn commented_defaults(&self) -> String {
        [SHARED.defaults, self.settings.defaults].join("\n")
    }

    fn layers<'a>(&self, profile: Option<String>, env_prefix: Option<&'a str>) -> Layers<'a> {
        Layers { shared: SHARED, own: self.settings, profile, env_prefix, sections: &[] }
    }
}

fn load<O: OwnSettings>(
    surroundings: &Surroundings,
    layers: &Layers,
    complete: impl FnOnce(&mut O),
) -> Result<Settings<O>, SettingsError> {
    let (shared, own) =
        settings::load_parts_in(surroundings, layers, |shared: &mut SharedSettings, own: &mut O| {
            complete(own);
            shared.check()?;
            own.check(shared)
        })?;
    Ok(Settings { shared, own })
}

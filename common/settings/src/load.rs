//! Merges the layers and fills the structs.

use config::{Config, ConfigError, Map, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

use crate::check::Invalid;
use crate::environment;
use crate::error::{SettingsError, one_line};
use crate::layers::{Layers, Surroundings};
use crate::profile;
use crate::schema::{DEFAULTS, Schema, Table, parse};

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
    let merged = Merged::of(surroundings, layers)?;
    let settings = merged.read(|_| true)?;
    check(&settings).map_err(|invalid| merged.invalid(invalid))?;
    Ok(settings)
}

/// As [`load_in`], with one struct for the sections that `layers.shared` names and one for all others, so that each can
/// refuse unknown fields. `finish` adds what the process makes up itself, and checks both.
///
/// # Errors
/// As [`load_checked`].
pub fn load_parts_in<S: DeserializeOwned, O: DeserializeOwned>(
    surroundings: &Surroundings,
    layers: &Layers,
    finish: impl FnOnce(&mut S, &mut O) -> Result<(), Invalid>,
) -> Result<(S, O), SettingsError> {
    let merged = Merged::of(surroundings, layers)?;
    let known = parse(layers.shared.defaults, DEFAULTS)?;
    let mut shared = merged.read(|section| known.contains_key(section))?;
    let mut own = merged.read(|section| !known.contains_key(section))?;
    finish(&mut shared, &mut own).map_err(|invalid| merged.invalid(invalid))?;
    Ok((shared, own))
}

/// All layers as one. Each value knows its origin.
struct Merged(Table);

impl Merged {
    fn of(surroundings: &Surroundings, layers: &Layers) -> Result<Self, SettingsError> {
        let defaults = layers.defaults();
        let schema = Schema::of(&defaults)?;
        let mut builder = Config::builder();
        for text in defaults {
            builder = builder.add_source(Layer(parse(text, DEFAULTS)?));
        }
        for table in profile::layers(&schema, layers, surroundings)? {
            builder = builder.add_source(Layer(table));
        }
        for table in environment::layers(&schema, layers.env_prefix, surroundings.variable)? {
            builder = builder.add_source(Layer(table));
        }
        let merged = builder.build().and_then(|config| config.collect());
        merged.map(Merged).map_err(|error| Merged(Table::new()).refused(error))
    }

    fn read<T: DeserializeOwned>(&self, wanted: impl Fn(&str) -> bool) -> Result<T, SettingsError> {
        let part: Table = self.0.iter().filter(|(name, _)| wanted(name)).map(own).collect();
        Value::new(None, part).try_deserialize().map_err(|error| self.refused(error))
    }

    fn invalid(&self, Invalid { key, reason }: Invalid) -> SettingsError {
        SettingsError::Invalid { origin: self.origin(&key), key, reason }
    }

    /// What the target struct said while it was filled.
    fn refused(&self, error: ConfigError) -> SettingsError {
        let (key, reason) = explain(error);
        let key = key.map_or_else(|| "settings".to_owned(), |key| punctuate(&key));
        self.invalid(Invalid::new(key, one_line(&reason)))
    }

    /// Where the value came from, or else what contains it.
    fn origin(&self, key: &str) -> String {
        let mut found = None;
        let mut within = Some(&self.0);
        let mut items: &[Value] = &[];
        for step in key.split(['.', '[']) {
            let value = match step.strip_suffix(']') {
                Some(index) => index.parse().ok().and_then(|index: usize| items.get(index)),
                None => within.and_then(|table| table.get(step)),
            };
            let Some(value) = value else { break };
            found = value.origin().or(found);
            within = None;
            match &value.kind {
                ValueKind::Table(table) => within = Some(table),
                ValueKind::Array(array) => items = array,
                _ => {}
            }
        }
        found.unwrap_or(DEFAULTS).to_owned()
    }
}

fn own((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Values of one origin, for `config` to merge.
#[derive(Debug, Clone)]
struct Layer(Table);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

fn explain(error: ConfigError) -> (Option<String>, String) {
    match error {
        ConfigError::NotFound(key) => (Some(key), "is missing".to_owned()),
        ConfigError::Type { unexpected, expected, key, .. } => {
            (key, format!("expected {expected}, found {unexpected}"))
        }
        ConfigError::At { error, key, .. } => {
            let (inner, reason) = explain(*error);
            (inner.or(key), reason)
        }
        other => (None, other.to_string()),
    }
}

/// `config` writes `routes[0]uri`.
fn punctuate(key: &str) -> String {
    key.replace("].", "]").replace(']', "].").replace("].[", "][").trim_end_matches('.').to_owned()
}

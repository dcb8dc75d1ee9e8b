use std::io;
use std::path::PathBuf;

use config::ConfigError;

use crate::Origins;

/// What is wrong with the settings. `Display` is one line that names the key and its origin; it never shows the value of
/// a key that sounds like a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A layer names a key that the defaults do not.
    #[error("{key}: unknown key{} ({origin})", suggest(suggestion.as_deref()))]
    UnknownKey { key: String, origin: String, suggestion: Option<String> },
    /// A value has another type than its default.
    #[error("{key}: expected {expected}, found {found} ({origin})")]
    WrongType { key: String, origin: String, expected: &'static str, found: String },
    /// The value has the right type and is refused all the same: out of range, not one of the choices.
    #[error("{key}: {reason} ({origin})")]
    Invalid { key: String, origin: String, reason: String },
    /// No TOML.
    #[error("{origin}: line {line}, column {column}: {message}")]
    Unparsable { origin: String, line: usize, column: usize, message: String },
    /// The file is there and cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// Neither compiled in nor a file.
    #[error("profile {profile:?} is unknown: compiled in are {known}, and there is no {file} in {looked_in}")]
    UnknownProfile { profile: String, known: String, file: String, looked_in: String },
    /// Two keys would be read from the same variable: a mistake in the defaults.
    #[error("{first} and {second} share the environment variable {variable} (the compiled-in defaults)")]
    AmbiguousVariable { first: String, second: String, variable: String },
}

fn suggest(key: Option<&str>) -> String {
    key.map(|key| format!(", did you mean {key}?")).unwrap_or_default()
}

/// Line and column (from 1) of what `toml` complains about; its own `Display` is a picture over several lines that would
/// also show the line, which may hold a secret.
pub(crate) fn unparsable(error: &toml::de::Error, text: &str, origin: &str) -> SettingsError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    SettingsError::Unparsable {
        origin: origin.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.chars().rev().take_while(|&c| c != '\n').count() + 1,
        message: one_line(error.message()),
    }
}

/// What the target struct said while it was filled.
pub(crate) fn refused(error: ConfigError, origins: &Origins) -> SettingsError {
    let (key, reason) = explain(error);
    let reason = one_line(&reason);
    match key.map(|key| punctuate(&key)) {
        Some(key) => SettingsError::Invalid { origin: origins.of(&key), key, reason },
        None => SettingsError::Invalid {
            key: "settings".to_owned(),
            origin: "the compiled-in defaults".to_owned(),
            reason,
        },
    }
}

fn explain(error: ConfigError) -> (Option<String>, String) {
    match error {
        ConfigError::NotFound(key) => (Some(key), "is missing".to_owned()),
        ConfigError::Type { unexpected, expected, key, .. } => {
            let found = match &key {
                Some(key) if crate::schema::is_secret(key) => "another value".to_owned(),
                _ => unexpected.to_string(),
            };
            (key, format!("expected {expected}, found {found}"))
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

pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

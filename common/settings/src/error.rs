use std::io;
use std::path::PathBuf;

/// What is wrong with the settings. `Display` is one line that names the key and its origin; it never shows
/// a value where a string is expected, for it may be a secret.
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

impl SettingsError {
    /// Line and column (from 1) of what `toml` complains about; its own `Display` is a picture over several lines that would
    /// also show the line, which may hold a secret.
    pub(crate) fn unparsable(
        error: &(dyn std::error::Error + Send + Sync + 'static),
        text: &str,
        origin: &str,
    ) -> SettingsError {
        let toml = error.downcast_ref::<toml::de::Error>();
        let span = toml.and_then(toml::de::Error::span);
        let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
        SettingsError::Unparsable {
            origin: origin.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|&c| c != '\n').count() + 1,
            message: one_line(toml.map_or(&error.to_string(), |error| error.message())),
        }
    }
}

pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

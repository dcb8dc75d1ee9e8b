//! Which profile is active, and what it overrides.

use std::ffi::OsString;
use std::io::ErrorKind;

use config::ValueKind;

use crate::error::SettingsError;
use crate::layers::{Layers, Surroundings};
use crate::schema::{Schema, Table, parse, wrong_type};

/// The profile asked for: `--profile X` or `--profile=X` among the arguments, else the environment variable `PROFILE`.
/// `default`, and an empty name, mean none.
pub fn active_profile(args: impl Iterator<Item = String>) -> Option<String> {
    choose(args, &|name| std::env::var_os(name))
}

fn choose(
    mut args: impl Iterator<Item = String>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Option<String> {
    let mut asked = None;
    while let Some(arg) = args.next() {
        match arg.strip_prefix("--profile") {
            Some("") => asked = args.next(),
            Some(rest) => {
                if let Some(name) = rest.strip_prefix('=') {
                    asked = Some(name.to_owned());
                }
            }
            None if arg == "--" => break,
            None => {}
        }
    }
    // A name that is no text cannot be known either: it is shown as it is and refused when it is loaded.
    asked
        .or_else(|| variable("PROFILE").map(|name| name.to_string_lossy().into_owned()))
        .filter(|name| !name.is_empty() && name != "default")
}

/// The layers of the active profile: compiled in, then from files.
pub(crate) fn layers(
    schema: &Schema,
    layers: &Layers,
    surroundings: &Surroundings,
) -> Result<Vec<Table>, SettingsError> {
    let Some(profile) = layers.profile.as_deref() else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (_, text) in layers.profiles().filter(|(name, _)| *name == profile) {
        let origin = format!("the compiled-in profile {profile}");
        found.push(schema.checked(parse(text, &origin)?, &origin)?);
    }
    // The name becomes part of a path: it must not lead elsewhere.
    if profile.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')) {
        found.extend(files(schema, layers, profile, surroundings)?);
    }
    if found.is_empty() {
        return Err(unknown(layers, profile, surroundings));
    }
    Ok(found)
}

fn files(
    schema: &Schema,
    layers: &Layers,
    profile: &str,
    surroundings: &Surroundings,
) -> Result<Vec<Table>, SettingsError> {
    let mut found = Vec::new();
    for directory in &surroundings.directories {
        let path = directory.join(file_name(profile));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(source) => return Err(SettingsError::Unreadable { path, source }),
        };
        let origin = path.display().to_string();
        let mut file = parse(&text, &origin)?;
        let own = match layers.env_prefix {
            None => {
                file.retain(|name, _| !layers.sections.contains(&name.as_str()));
                file
            }
            Some(prefix) => section(file, prefix, &origin)?,
        };
        found.push(schema.checked(own, &origin)?);
    }
    Ok(found)
}

/// The part of a file that several services share which belongs to the one with this prefix.
fn section(mut file: Table, prefix: &str, origin: &str) -> Result<Table, SettingsError> {
    let name = prefix.to_lowercase();
    match file.remove(&name).map(|value| value.kind) {
        None => Ok(Table::new()),
        Some(ValueKind::Table(section)) => Ok(section),
        Some(_) => {
            Err(wrong_type(&name, &ValueKind::Table(Table::new()), "something else".to_owned(), origin))
        }
    }
}

fn file_name(profile: &str) -> String {
    format!("application-{profile}.toml")
}

fn unknown(layers: &Layers, profile: &str, surroundings: &Surroundings) -> SettingsError {
    let list = |names: Vec<String>| match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    let mut known = vec!["default".to_owned()];
    known.extend(layers.profiles().map(|(name, _)| (*name).to_owned()));
    known.dedup();
    SettingsError::UnknownProfile {
        profile: profile.to_owned(),
        known: list(known),
        file: file_name(profile).escape_debug().to_string(),
        looked_in: list(
            surroundings.directories.iter().map(|directory| directory.display().to_string()).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    fn chosen(args: &[&str], profile: Option<&str>) -> Option<String> {
        choose(args.iter().map(|arg| (*arg).to_owned()), &|name| {
            assert_eq!(name, "PROFILE");
            profile.map(Into::into)
        })
    }

    #[test]
    fn the_argument_wins_over_the_variable() {
        assert_eq!(chosen(&["x", "--profile", "docker"], Some("aks")).as_deref(), Some("docker"));
        assert_eq!(chosen(&["x", "--profile=docker"], None).as_deref(), Some("docker"));
        assert_eq!(chosen(&["x", "--profiles"], Some("aks")).as_deref(), Some("aks"));
        assert_eq!(chosen(&["x", "--", "--profile=docker"], None), None);
    }

    #[test]
    fn default_means_none() {
        assert_eq!(chosen(&[], Some("default")), None);
        assert_eq!(chosen(&[], Some("")), None);
        assert_eq!(chosen(&["--profile=default"], Some("docker")), None);
        assert_eq!(chosen(&["--profile"], None), None);
    }
}

//! Environment variables as layers.

use std::collections::HashMap;
use std::ffi::OsString;

use config::{FileFormat, Format, Value, ValueKind};

use crate::error::SettingsError;
use crate::layers::Layers;
use crate::schema::{Leaf, Schema, Table, shorten, wrong_type};

/// Every key with the variable that sets it, sorted: for `--help` and documents.
///
/// # Errors
/// Defaults that are no TOML, or in which two keys share a variable.
pub fn variables(layers: &Layers) -> Result<Vec<(String, String)>, SettingsError> {
    let schema = Schema::of(&layers.defaults())?;
    let known = distinct(&schema, layers.env_prefix)?;
    Ok(known.into_iter().map(|(leaf, variable)| (leaf.key, variable)).collect())
}

/// One layer per variable that is set, so that each value keeps the name of its variable.
///
/// `config` has a source for the environment, which splits names at a separator. Here `_` separates the words of a key as
/// well as the parts of its path, so only the known keys say what a variable means.
pub(crate) fn layers(
    schema: &Schema,
    prefix: Option<&str>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<Table>, SettingsError> {
    let mut layers = Vec::new();
    for (leaf, name) in distinct(schema, prefix)? {
        let Some(text) = variable(&name) else {
            continue;
        };
        let origin = format!("environment variable {name}");
        let Some(text) = text.to_str() else {
            return Err(wrong_type(&leaf.key, leaf.default, "bytes that are not UTF-8".to_owned(), &origin));
        };
        let kind = parse(text, leaf.default)
            .ok_or_else(|| wrong_type(&leaf.key, leaf.default, shorten(&format!("{text:?}")), &origin))?;
        let value = Value::new(Some(&origin), kind);
        layers.push(schema.checked(nested(&leaf.key, value), &origin)?);
    }
    Ok(layers)
}

fn distinct<'a>(schema: &'a Schema, prefix: Option<&str>) -> Result<Vec<(Leaf<'a>, String)>, SettingsError> {
    let mut seen = HashMap::<String, String>::new();
    let mut pairs = Vec::new();
    for leaf in schema.leaves() {
        let variable = name(&leaf.key, prefix);
        if let Some(first) = seen.insert(variable.clone(), leaf.key.clone()) {
            return Err(SettingsError::AmbiguousVariable { first, second: leaf.key, variable });
        }
        pairs.push((leaf, variable));
    }
    Ok(pairs)
}

fn name(key: &str, prefix: Option<&str>) -> String {
    prefix.into_iter().chain([key]).collect::<Vec<_>>().join("_").replace(['.', '-'], "_").to_uppercase()
}

/// The text as a value of the default's type.
fn parse(text: &str, default: &ValueKind) -> Option<ValueKind> {
    let trimmed = text.trim();
    match default {
        ValueKind::I64(_) => trimmed.parse().ok().map(ValueKind::I64),
        ValueKind::Float(_) => {
            trimmed.parse().ok().filter(|number: &f64| number.is_finite()).map(ValueKind::Float)
        }
        ValueKind::Boolean(_) => trimmed.to_ascii_lowercase().parse().ok().map(ValueKind::Boolean),
        ValueKind::Array(_) if trimmed.starts_with('[') => {
            toml_or_json(trimmed).filter(|kind| matches!(kind, ValueKind::Array(_)))
        }
        // Spring's habit: a,b,c
        ValueKind::Array(_) => {
            let items = trimmed.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(items.collect::<Vec<_>>().into())
        }
        ValueKind::Table(_) => toml_or_json(trimmed).filter(|kind| matches!(kind, ValueKind::Table(_))),
        _ => Some(ValueKind::String(text.to_owned())),
    }
}

fn toml_or_json(text: &str) -> Option<ValueKind> {
    let toml = || {
        let mut table = FileFormat::Toml.parse(None, &format!("value = {text}")).ok()?;
        table.remove("value").filter(|_| table.is_empty())
    };
    toml().or_else(|| serde_json::from_str(text).ok()).map(|value: Value| value.kind)
}

/// `a.b.c` and a value as a table in a table.
fn nested(key: &str, value: Value) -> Table {
    match key.split_once('.') {
        None => Table::from_iter([(key.to_owned(), value)]),
        Some((first, rest)) => {
            let inner = nested(rest, value);
            Table::from_iter([(first.to_owned(), Value::new(None, inner))])
        }
    }
}

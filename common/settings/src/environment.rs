//! Environment variables as a layer.

use std::collections::HashMap;
use std::ffi::OsString;

use toml::{Table, Value};

use crate::error::SettingsError;
use crate::layer::Layer;
use crate::schema::{Leaf, Schema, show_text, wrong_type};

/// Every key with the variable that sets it, in the order of the defaults: for `--help` and documents.
///
/// # Errors
/// Defaults that are no TOML, or in which two keys share a variable.
pub fn variables(defaults: &str, prefix: Option<&str>) -> Result<Vec<(String, String)>, SettingsError> {
    let schema = Schema::of(defaults)?;
    distinct(&schema, prefix)?.into_iter().map(|(leaf, variable)| Ok((leaf.key, variable))).collect()
}

/// One layer per variable that is set, so that each value keeps the name of its variable.
pub(crate) fn layer(
    schema: &Schema,
    prefix: Option<&str>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<Layer>, SettingsError> {
    let mut layers = Vec::new();
    for (leaf, name) in distinct(schema, prefix)? {
        let Some(text) = variable(&name) else {
            continue;
        };
        let origin = format!("environment variable {name}");
        let Some(text) = text.to_str() else {
            return Err(wrong_type(&leaf.key, leaf.default, "bytes that are not UTF-8".to_owned(), &origin));
        };
        let value = parse(text, leaf.default).ok_or_else(|| {
            wrong_type(&leaf.key, leaf.default, show_text(&leaf.key, &format!("{text:?}")), &origin)
        })?;
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
fn parse(text: &str, default: &Value) -> Option<Value> {
    let trimmed = text.trim();
    match default {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Integer(_) => trimmed.parse().ok().map(Value::Integer),
        Value::Float(_) => trimmed.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float),
        Value::Boolean(_) => match trimmed.to_ascii_lowercase().as_str() {
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => None,
        },
        Value::Datetime(_) => trimmed.parse().ok().map(Value::Datetime),
        Value::Array(_) if trimmed.starts_with('[') => toml_or_json(trimmed).filter(Value::is_array),
        // Spring's habit: a,b,c
        Value::Array(_) => Some(Value::Array(
            trimmed
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        )),
        Value::Table(_) => toml_or_json(trimmed).filter(Value::is_table),
    }
}

fn toml_or_json(text: &str) -> Option<Value> {
    let toml =
        || format!("value = {text}").parse::<Table>().ok().filter(|table| table.len() == 1)?.remove("value");
    toml().or_else(|| serde_json::from_str(text).ok())
}

/// `a.b.c` and a value as a table in a table.
fn nested(key: &str, value: Value) -> Table {
    match key.split_once('.') {
        None => Table::from_iter([(key.to_owned(), value)]),
        Some((first, rest)) => Table::from_iter([(first.to_owned(), Value::Table(nested(rest, value)))]),
    }
}

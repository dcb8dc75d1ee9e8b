//! What may be set, and as what: read off the defaults.

use toml::{Table, Value};

use crate::error::{self, SettingsError};
use crate::layer::Layer;

const DEFAULTS: &str = "the compiled-in defaults";

/// The keys that exist, with the type of each.
pub(crate) struct Schema {
    defaults: Table,
}

/// One key that can be set by itself.
pub(crate) struct Leaf<'a> {
    pub(crate) key: String,
    pub(crate) default: &'a Value,
}

impl Schema {
    pub(crate) fn of(defaults: &str) -> Result<Schema, SettingsError> {
        Ok(Schema { defaults: parse(defaults, DEFAULTS)? })
    }

    pub(crate) fn defaults_layer(&self) -> Layer {
        Layer { origin: DEFAULTS.to_owned(), table: self.defaults.clone() }
    }

    /// Every key with a value of its own; an open table counts as one.
    pub(crate) fn leaves(&self) -> Vec<Leaf<'_>> {
        fn walk<'a>(table: &'a Table, path: &str, leaves: &mut Vec<Leaf<'a>>) {
            for (name, value) in table {
                let key = join(path, name);
                match value {
                    Value::Table(inner) if !inner.is_empty() => walk(inner, &key, leaves),
                    default => leaves.push(Leaf { key, default }),
                }
            }
        }
        let mut leaves = Vec::new();
        walk(&self.defaults, "", &mut leaves);
        leaves
    }

    /// A layer from the text of a file.
    pub(crate) fn layer(&self, text: &str, origin: &str) -> Result<Layer, SettingsError> {
        self.checked(parse(text, origin)?, origin)
    }

    /// A layer, if all its keys exist and have the type of their default.
    pub(crate) fn checked(&self, mut table: Table, origin: &str) -> Result<Layer, SettingsError> {
        self.check(&mut table, &self.defaults, "", origin)?;
        Ok(Layer { origin: origin.to_owned(), table })
    }

    fn check(
        &self,
        table: &mut Table,
        defaults: &Table,
        path: &str,
        origin: &str,
    ) -> Result<(), SettingsError> {
        for (name, value) in table.iter_mut() {
            let key = join(path, name);
            let Some(default) = defaults.get(name) else {
                return Err(SettingsError::UnknownKey {
                    suggestion: self.similar(&key),
                    key,
                    origin: origin.to_owned(),
                });
            };
            match (value, default) {
                (Value::Table(_), Value::Table(open)) if open.is_empty() => {}
                (Value::Table(table), Value::Table(defaults)) => {
                    self.check(table, defaults, &key, origin)?;
                }
                // 1 is a fraction as well.
                (value @ Value::Integer(_), Value::Float(_)) => {
                    if let Value::Integer(whole) = *value {
                        *value = Value::Float(whole as f64);
                    }
                }
                (value, default) if value.same_type(default) => {}
                (value, default) => {
                    return Err(wrong_type(&key, default, show(&key, value), origin));
                }
            }
        }
        Ok(())
    }

    /// The known key that was probably meant.
    fn similar(&self, key: &str) -> Option<String> {
        let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
        self.leaves()
            .into_iter()
            .map(|leaf| {
                let misplaced = last(&leaf.key) == last(key);
                let distance = edit_distance(&leaf.key, key);
                (if misplaced { distance.min(2) } else { distance }, leaf.key)
            })
            .min()
            .filter(|(distance, _)| *distance <= 2)
            .map(|(_, key)| key)
    }
}

pub(crate) fn wrong_type(key: &str, default: &Value, found: String, origin: &str) -> SettingsError {
    let expected = match default {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    };
    SettingsError::WrongType { key: key.to_owned(), origin: origin.to_owned(), expected, found }
}

fn show(key: &str, value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        value => show_text(key, &value.to_string()),
    }
}

/// The offending text as it may stand in an error message.
pub(crate) fn show_text(key: &str, text: &str) -> String {
    const LONGEST: usize = 60;
    if is_secret(key) {
        return "another value".to_owned();
    }
    let text = error::one_line(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Whether the key sounds as if its value were nobody's business.
pub(crate) fn is_secret(key: &str) -> bool {
    ["password", "secret", "token", "credential"].iter().any(|word| key.contains(word))
}

fn parse(text: &str, origin: &str) -> Result<Table, SettingsError> {
    text.parse().map_err(|error| error::unparsable(&error, text, origin))
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Levenshtein's distance; keys are short.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::edit_distance;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(edit_distance("server.port", "server.port"), 0);
        assert_eq!(edit_distance("server.port", "server.prot"), 2);
        assert_eq!(edit_distance("", "abc"), 3);
    }
}

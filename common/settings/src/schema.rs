//! What may be set, and as what: read off the defaults.

use config::{FileFormat, Format, Map, Value, ValueKind};

use crate::error::{SettingsError, one_line};

pub(crate) const DEFAULTS: &str = "the compiled-in defaults";

pub(crate) type Table = Map<String, Value>;

/// The keys that exist, with the type of each.
pub(crate) struct Schema {
    known: Table,
}

/// One key that can be set by itself.
pub(crate) struct Leaf<'a> {
    pub(crate) key: String,
    pub(crate) default: &'a ValueKind,
}

impl Schema {
    /// `defaults` are TOML; all of their keys exist.
    pub(crate) fn of(defaults: &[&str]) -> Result<Schema, SettingsError> {
        let mut known = Table::new();
        for text in defaults {
            merge(&mut known, parse(text, DEFAULTS)?);
        }
        Ok(Schema { known })
    }

    /// Every key with a value of its own, sorted; an open table counts as one.
    pub(crate) fn leaves(&self) -> Vec<Leaf<'_>> {
        fn walk<'a>(table: &'a Table, path: &str, leaves: &mut Vec<Leaf<'a>>) {
            for (name, value) in table {
                let key = join(path, name);
                match &value.kind {
                    ValueKind::Table(inner) if !inner.is_empty() => walk(inner, &key, leaves),
                    default => leaves.push(Leaf { key, default }),
                }
            }
        }
        let mut leaves = Vec::new();
        walk(&self.known, "", &mut leaves);
        leaves.sort_by(|a, b| a.key.cmp(&b.key));
        leaves
    }

    /// The table, if all its keys exist and have the type of their default.
    pub(crate) fn checked(&self, table: Table, origin: &str) -> Result<Table, SettingsError> {
        self.check(&table, &self.known, "", origin)?;
        Ok(table)
    }

    fn check(&self, table: &Table, known: &Table, path: &str, origin: &str) -> Result<(), SettingsError> {
        let mut names: Vec<_> = table.iter().collect();
        names.sort_by_key(|(name, _)| *name);
        for (name, value) in names {
            let key = join(path, name);
            let Some(default) = known.get(name) else {
                return Err(SettingsError::UnknownKey {
                    suggestion: self.similar(&key),
                    key,
                    origin: origin.to_owned(),
                });
            };
            match (&value.kind, &default.kind) {
                (ValueKind::Table(_), ValueKind::Table(open)) if open.is_empty() => {}
                (ValueKind::Table(table), ValueKind::Table(known)) => {
                    self.check(table, known, &key, origin)?
                }
                // 1 is a fraction as well.
                (ValueKind::I64(_), ValueKind::Float(_)) => {}
                (value, default) if same_type(value, default) => {}
                (value, default) => return Err(wrong_type(&key, default, found(value, default), origin)),
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

/// TOML whose values remember their origin.
pub(crate) fn parse(text: &str, origin: &str) -> Result<Table, SettingsError> {
    let parsed = FileFormat::Toml.parse(Some(&origin.to_owned()), text);
    parsed.map_err(|error| SettingsError::unparsable(error.as_ref(), text, origin))
}

fn merge(into: &mut Table, from: Table) {
    for (name, value) in from {
        match (into.get_mut(&name).map(|known| &mut known.kind), value.kind) {
            (Some(ValueKind::Table(known)), ValueKind::Table(more)) => merge(known, more),
            (_, kind) => {
                into.insert(name, Value::new(None, kind));
            }
        }
    }
}

fn same_type(a: &ValueKind, b: &ValueKind) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

pub(crate) fn wrong_type(key: &str, default: &ValueKind, found: String, origin: &str) -> SettingsError {
    SettingsError::WrongType {
        key: key.to_owned(),
        origin: origin.to_owned(),
        expected: type_name(default),
        found,
    }
}

fn type_name(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "an integer",
        ValueKind::Float(_) => "a number",
        ValueKind::String(_) => "a string",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    }
}

/// The offending value as it may stand in an error message. Secrets are strings: where one is expected, nothing is shown.
fn found(value: &ValueKind, default: &ValueKind) -> String {
    match (value, default) {
        (_, ValueKind::String(_)) | (ValueKind::Table(_) | ValueKind::Array(_), _) => {
            type_name(value).to_owned()
        }
        (ValueKind::String(text), _) => shorten(&format!("{text:?}")),
        (value, _) => shorten(&value.to_string()),
    }
}

/// The text on one line, as much of it as a message needs.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    let text = one_line(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn join(path: &str, name: &str) -> String {
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

//! One source of values, with its name, for the `config` crate to merge.

use config::{ConfigError, Map, Source, Value, ValueKind};

use crate::schema::join;

/// Values that came from one place.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// Named in error messages.
    pub(crate) origin: String,
    pub(crate) table: toml::Table,
}

impl Layer {
    /// The dotted key of everything this layer sets, tables included.
    pub(crate) fn keys(&self) -> Vec<String> {
        fn walk(table: &toml::Table, path: &str, keys: &mut Vec<String>) {
            for (name, value) in table {
                let key = join(path, name);
                if let toml::Value::Table(inner) = value {
                    walk(inner, &key, keys);
                }
                keys.push(key);
            }
        }
        let mut keys = Vec::new();
        walk(&self.table, "", &mut keys);
        keys
    }

    fn value(&self, value: &toml::Value) -> Value {
        let kind = match value {
            toml::Value::String(text) => ValueKind::String(text.clone()),
            toml::Value::Integer(number) => ValueKind::I64(*number),
            toml::Value::Float(number) => ValueKind::Float(*number),
            toml::Value::Boolean(flag) => ValueKind::Boolean(*flag),
            toml::Value::Datetime(date) => ValueKind::String(date.to_string()),
            toml::Value::Array(values) => {
                ValueKind::Array(values.iter().map(|value| self.value(value)).collect())
            }
            toml::Value::Table(table) => ValueKind::Table(self.map(table)),
        };
        Value::new(Some(&self.origin), kind)
    }

    fn map(&self, table: &toml::Table) -> Map<String, Value> {
        table.iter().map(|(name, value)| (name.clone(), self.value(value))).collect()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.map(&self.table))
    }
}

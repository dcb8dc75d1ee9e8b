//! Topics have a name in the code, and one in the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use envelope::Envelope;

use crate::log::Record;

/// Which topics have another name in this log. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicNames(Arc<BTreeMap<String, String>>);

impl TopicNames {
    pub fn new(names: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Arc::new(names.into_iter().collect()))
    }

    /// The name in the log.
    pub fn of<'a>(&'a self, topic: &'a str) -> &'a str {
        self.0.get(topic).map_or(topic, String::as_str)
    }

    /// All that the settings name, as they are called in the log.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// A fact as the log takes it.
    pub fn record(&self, fact: &Envelope) -> Record {
        Record {
            topic: self.of(fact.topic).to_owned(),
            key: Some(fact.key.clone()),
            payload: fact.payload.clone(),
            headers: fact.headers(),
            timestamp_ms: fact.timestamp_ms,
        }
    }
}

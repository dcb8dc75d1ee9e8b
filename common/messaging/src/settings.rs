//! `[event_log]` and `[kafka]`: which log, and how to reach it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use settings::{Invalid, in_range};

use crate::topics::TopicNames;

/// `[event_log]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventLogSettings {
    /// `sqlite://data/events.db` (a local log in a file) or `kafka://host:port,host:port`.
    pub url: String,
    /// What the topic `prereservation` is called in the log.
    pub topic: String,
    /// What the other topics are called in the log, where that is not their name in the code.
    pub topics: BTreeMap<String, String>,
    /// Partitions of a topic that has to be created. Kafka only; the local log has one.
    pub partitions: i32,
    /// How long a record may take until it counts as not published.
    pub delivery_timeout_ms: u64,
}

impl Default for EventLogSettings {
    fn default() -> Self {
        Self {
            url: "sqlite://data/events.db".to_owned(),
            topic: FIRST_TOPIC.to_owned(),
            topics: BTreeMap::new(),
            partitions: 6,
            delivery_timeout_ms: 10_000,
        }
    }
}

/// `[kafka]`: the connection. `brokers`, when not empty, overrides `event_log.url`.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaSettings {
    /// `host:port,host:port`.
    pub brokers: String,
    pub security_protocol: SecurityProtocol,
    /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`; empty where the protocol has no SASL.
    pub sasl_mechanism: String,
    pub sasl_username: String,
    pub sasl_password: SecretString,
    /// A PEM file; empty: the system's certificates.
    pub ssl_ca_location: String,
    /// Any property of librdkafka, by its own name; wins over what this crate sets. There are passwords among them.
    pub properties: BTreeMap<String, SecretString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SecurityProtocol {
    #[default]
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl SecurityProtocol {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

/// Where the log is, after both sections were read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    Local(PathBuf),
    /// `host:port,host:port`
    Kafka(String),
}

fn invalid<T>(key: &str, reason: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid::new(key, reason))
}

/// The name in the code of the topic that `event_log.topic` names.
const FIRST_TOPIC: &str = "prereservation";

impl EventLogSettings {
    /// What the topics are called in the log.
    pub fn topic_names(&self) -> TopicNames {
        let first = (FIRST_TOPIC.to_owned(), self.topic.clone());
        TopicNames::new(std::iter::once(first).chain(self.topics.clone()))
    }

    fn check_topics(&self) -> Result<(), Invalid> {
        check_topic("event_log.topic", &self.topic)?;
        let mut taken = vec![&self.topic];
        for (topic, name) in &self.topics {
            let key = format!("event_log.topics.{topic}");
            check_topic(&key, name)?;
            if taken.contains(&name) {
                return invalid(&key, format!("{name:?} is the name of another topic already"));
            }
            taken.push(name);
        }
        Ok(())
    }

    /// Checks both sections and says where the log is. For the start of a service, before anything runs.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub fn location(&self, kafka: &KafkaSettings) -> Result<Location, Invalid> {
        self.check_topics()?;
        if self.partitions < 1 {
            return invalid("event_log.partitions", format!("{} is less than 1", self.partitions));
        }
        in_range("event_log.delivery_timeout_ms", self.delivery_timeout_ms, 100..=3_600_000)?;
        if !kafka.brokers.is_empty() {
            check_brokers("kafka.brokers", &kafka.brokers)?;
            kafka.check()?;
            return Ok(Location::Kafka(kafka.brokers.clone()));
        }
        match self.url.split_once(':') {
            Some(("kafka", rest)) => {
                let brokers = rest.trim_start_matches('/').trim_end_matches('/');
                check_brokers("event_log.url", brokers)?;
                kafka.check()?;
                Ok(Location::Kafka(brokers.to_owned()))
            }
            Some(("sqlite", rest)) => {
                // As sqlx reads it: sqlite://relative/path, sqlite:///absolute/path, sqlite:path.
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() || path.starts_with(':') || path.contains('?') {
                    return invalid(
                        "event_log.url",
                        format!("{:?} names no file; the log of several services lies in one", self.url),
                    );
                }
                Ok(Location::Local(PathBuf::from(path)))
            }
            _ => invalid(
                "event_log.url",
                format!("{:?} is neither sqlite://file nor kafka://host:port", self.url),
            ),
        }
    }
}

impl KafkaSettings {
    fn check(&self) -> Result<(), Invalid> {
        let protocol = self.security_protocol;
        if protocol.has_tls() && cfg!(not(feature = "tls")) {
            return invalid(
                "kafka.security_protocol",
                "this binary was built without TLS; build it with the feature `tls`",
            );
        }
        if protocol.has_sasl() {
            if self.sasl_mechanism.is_empty() {
                return invalid("kafka.sasl_mechanism", "needed by kafka.security_protocol");
            }
            if self.sasl_mechanism.starts_with("SCRAM") && cfg!(not(feature = "tls")) {
                return invalid("kafka.sasl_mechanism", "SCRAM needs a binary built with the feature `tls`");
            }
        } else if !self.sasl_mechanism.is_empty() {
            return invalid("kafka.sasl_mechanism", "is set, but kafka.security_protocol has no SASL");
        }
        Ok(())
    }
}

/// Kafka's rule for names of topics; the local log keeps it too, so that a name works on both.
pub(crate) fn check_topic(key: &str, topic: &str) -> Result<(), Invalid> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 249 || topic == "." || topic == ".." {
        return invalid(key, format!("{topic:?} cannot be the name of a topic"));
    }
    match topic.chars().find(|c| !legal(*c)) {
        Some(c) => invalid(
            key,
            format!("{topic:?} contains {c:?}; a topic's name has only letters, digits, '.', '_', '-'"),
        ),
        None => Ok(()),
    }
}

fn check_brokers(key: &str, brokers: &str) -> Result<(), Invalid> {
    for broker in brokers.split(',') {
        let port = broker.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_none_or(|(_, port)| !port.parse::<u16>().is_ok_and(|p| p > 0)) {
            return invalid(key, format!("{broker:?} is not host:port"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn location(url: &str, brokers: &str) -> Result<Location, Invalid> {
        let event_log = EventLogSettings { url: url.to_owned(), ..EventLogSettings::default() };
        event_log.location(&KafkaSettings { brokers: brokers.to_owned(), ..KafkaSettings::default() })
    }

    #[test]
    fn the_url_says_which_log() {
        let local = |path: &str| Ok(Location::Local(PathBuf::from(path)));
        let kafka = |brokers: &str| Ok(Location::Kafka(brokers.to_owned()));
        assert_eq!(location("sqlite://data/events.db", ""), local("data/events.db"));
        assert_eq!(location("sqlite:///var/events.db", ""), local("/var/events.db"));
        assert_eq!(location("sqlite:events.db", ""), local("events.db"));
        assert_eq!(location("kafka://a:9092,b:9093", ""), kafka("a:9092,b:9093"));
        assert_eq!(location("sqlite://data/events.db", "my-kafka:9092"), kafka("my-kafka:9092"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, brokers, key) in [
            ("", "", "event_log.url"),
            ("postgres://localhost/events", "", "event_log.url"),
            ("sqlite://", "", "event_log.url"),
            ("sqlite::memory:", "", "event_log.url"),
            ("kafka://", "", "event_log.url"),
            ("kafka://localhost", "", "event_log.url"),
            ("kafka://localhost:0", "", "event_log.url"),
            ("kafka://a:1,:2", "", "event_log.url"),
            ("sqlite://data/events.db", "localhost:99999", "kafka.brokers"),
        ] {
            let wrong = location(url, brokers).unwrap_err();
            assert_eq!(wrong.key, key, "{url} {brokers}: {wrong}");
            assert!(!wrong.to_string().contains('\n'));
        }
    }

    #[test]
    fn each_topic_has_a_name_of_its_own() {
        let event_log = |topics: &[(&str, &str)]| EventLogSettings {
            topics: topics.iter().map(|(topic, name)| ((*topic).to_owned(), (*name).to_owned())).collect(),
            ..EventLogSettings::default()
        };
        let names = event_log(&[("account", "users")]).topic_names();
        assert_eq!([names.of("prereservation"), names.of("account")], ["prereservation", "users"]);
        assert_eq!(event_log(&[]).topic_names().of("account"), "account");
        for wrong in [&[("account", "")][..], &[("account", "prereservation")], &[("account", "a b")]] {
            let wrong = event_log(wrong).location(&KafkaSettings::default()).unwrap_err();
            assert_eq!(wrong.key, "event_log.topics.account");
        }
        let twice = event_log(&[("account", "all"), ("product", "all")]);
        let wrong = twice.location(&KafkaSettings::default()).unwrap_err();
        assert_eq!(wrong.key, "event_log.topics.product");
    }

    #[test]
    fn sasl_and_its_mechanism_belong_together() {
        let check = |security_protocol, mechanism: &str| {
            let kafka = KafkaSettings {
                security_protocol,
                sasl_mechanism: mechanism.to_owned(),
                ..KafkaSettings::default()
            };
            kafka.check().map_err(|invalid| invalid.key)
        };
        use SecurityProtocol::{Plaintext, SaslPlaintext};
        assert_eq!(check(Plaintext, ""), Ok(()));
        assert_eq!(check(SaslPlaintext, "PLAIN"), Ok(()));
        assert_eq!(check(SaslPlaintext, ""), Err("kafka.sasl_mechanism".to_owned()));
        assert_eq!(check(Plaintext, "PLAIN"), Err("kafka.sasl_mechanism".to_owned()));
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut kafka = KafkaSettings { sasl_password: "hunter2".into(), ..KafkaSettings::default() };
        let password = ("ssl.key.password".to_owned(), "hunter3".into());
        kafka.properties.extend([password]);
        let shown = format!("{kafka:?}");
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("ssl.key.password"), "{shown}");
    }
}

//! What librdkafka is told. Properties of `[kafka.properties]` come last and win.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use secrecy::ExposeSecret;

use crate::settings::KafkaSettings;

/// For every client; [`producer`] and [`consumer`] put theirs beneath it.
pub(super) fn common(brokers: &str, kafka: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("security.protocol", kafka.security_protocol.as_str());
    // A topic that a broker makes by itself forgets its records after its default time. Topics are made by `topics`.
    config.set("allow.auto.create.topics", "false");
    for (property, value) in [
        ("sasl.mechanism", kafka.sasl_mechanism.as_str()),
        ("sasl.username", &kafka.sasl_username),
        ("sasl.password", kafka.sasl_password.expose_secret()),
        ("ssl.ca.location", &kafka.ssl_ca_location),
    ] {
        if !value.is_empty() {
            config.set(property, value);
        }
    }
    for (property, value) in &kafka.properties {
        config.set(property, value.expose_secret());
    }
    config
}

/// Properties that are for all clients; a broker that comes back is found within a second.
const ALL: &[(&str, &str)] = &[
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    ("socket.keepalive.enable", "true"),
];

pub(super) fn producer(common: &ClientConfig, delivery_timeout: Duration) -> ClientConfig {
    let delivery_timeout = delivery_timeout.as_millis().to_string();
    with_defaults(
        common,
        &[
            // No repetition and no other order through librdkafka's own retries; implies acks=all.
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("delivery.timeout.ms", &delivery_timeout),
            // As Kafka's Java clients do it, so that a key is in the same partition whoever writes it.
            ("partitioner", "murmur2_random"),
            // A call of `publish` enqueues all its records at once; there is nothing to wait for.
            ("linger.ms", "0.5"),
            ("queue.buffering.max.kbytes", "65536"),
            ("topic.metadata.propagation.max.ms", TOPIC_MAY_TAKE),
        ],
    )
}

/// How long a topic that is not there may still come. It is refused after this time, and offered again.
const TOPIC_MAY_TAKE: &str = "500";

/// For records that travel alone, one after the other: nothing is under way beside them, so the order holds, and a refusal
/// disturbs nobody.
pub(super) fn producer_of_single_records(common: &ClientConfig, delivery_timeout: Duration) -> ClientConfig {
    let mut config = producer(common, delivery_timeout);
    for (property, value) in [
        ("enable.idempotence", "false"),
        ("max.in.flight.requests.per.connection", "1"),
        ("batch.num.messages", "1"),
        ("linger.ms", "0"),
    ] {
        config.set(property, value);
    }
    config
}

pub(super) fn consumer(common: &ClientConfig, group: &str, client_id: Option<&str>) -> ClientConfig {
    let mut config = with_defaults(
        common,
        &[
            ("group.id", group),
            ("auto.offset.reset", "earliest"),
            // Without it the markers of a transaction look like records that are not read.
            ("enable.partition.eof", "true"),
            // The position is in the service's database.
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // Who keeps a partition in a rebalance goes on reading it.
            ("partition.assignment.strategy", "cooperative-sticky"),
            // A subscriber that was killed is missed after this time; one that joins or leaves, with the next heartbeat.
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "500"),
            // So long a group waits for a member that does not join again after a rebalance; five minutes is the default,
            // in which nobody reads. We poll every half second, and while the database is away every few.
            ("max.poll.interval.ms", "60000"),
            // A topic that is created after the subscription is found within this time.
            ("topic.metadata.refresh.interval.ms", "5000"),
            // Enough to be busy, little enough for five services in one machine's memory; and when the queue is full,
            // go on as soon as there is room (a second is the default).
            ("queued.min.messages", "2000"),
            ("queued.max.messages.kbytes", "2048"),
            // What one answer brings is taken apart at once, and may be much more than it was on its way.
            ("fetch.max.bytes", "262144"),
            ("fetch.message.max.bytes", "131072"),
            // `fetch.max.bytes` is no less than this, which is of no other concern to a consumer.
            ("message.max.bytes", "262144"),
            ("fetch.queue.backoff.ms", "10"),
            ("fetch.error.backoff.ms", "100"),
        ],
    );
    // A quota may be given to a client id of the settings.
    if let Some(client_id) = client_id.filter(|_| common.get("client.id").is_none()) {
        config.set("client.id", client_id);
    }
    config
}

fn with_defaults(common: &ClientConfig, defaults: &[(&str, &str)]) -> ClientConfig {
    // The clone has the password; what `config_map` shows of it is "[sanitized for safety]", and would be sent so.
    let mut config = common.clone();
    for (property, value) in ALL.iter().chain(defaults) {
        if common.get(property).is_none() {
            config.set(*property, *value);
        }
    }
    config
}

/// A wrong password or certificate does not mend itself: it is said, but not each time one of several clients tries.
const REFUSALS_EVERY: Duration = Duration::from_secs(60);

/// Passes on what librdkafka has to say. Brokers that are away fill its log; the ports report them, so it is at debug.
#[derive(Debug, Clone)]
pub(super) struct Logs {
    client: &'static str,
}

impl Logs {
    pub(super) fn of(client: &'static str) -> Self {
        Self { client }
    }
}

impl ClientContext for Logs {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(client = self.client, facility, "{message}");
            }
            _ => tracing::debug!(client = self.client, facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if is_refusal(&error) && is_to_be_said() {
            tracing::error!(client = self.client, "Kafka cannot be used: {}", reason.trim_end());
        } else {
            tracing::debug!(client = self.client, %error, "{reason}");
        }
    }
}

/// The broker does not take us, or we do not take the broker.
fn is_refusal(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SSL
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
        )
    )
}

fn is_to_be_said() -> bool {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    let due = last.is_none_or(|last| now.duration_since(last) >= REFUSALS_EVERY);
    if due {
        *last = Some(now);
    }
    due
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings() -> KafkaSettings {
        KafkaSettings {
            brokers: String::new(),
            security_protocol: crate::settings::SecurityProtocol::SaslSsl,
            sasl_mechanism: "PLAIN".into(),
            sasl_username: "payment".into(),
            sasl_password: "s3cr3t".into(),
            ssl_ca_location: String::new(),
            properties: BTreeMap::from([("fetch.queue.backoff.ms".into(), "77".into())]),
        }
    }

    #[test]
    fn every_client_has_the_password_itself() {
        let common = common("kafka:9092", &settings());
        for config in [producer(&common, Duration::from_secs(1)), consumer(&common, "payment", None)] {
            assert_eq!(config.get("sasl.password"), Some("s3cr3t"));
            assert_eq!(config.get("bootstrap.servers"), Some("kafka:9092"));
        }
    }

    #[test]
    fn what_the_settings_say_wins() {
        let config = consumer(&common("kafka:9092", &settings()), "payment", None);
        assert_eq!(config.get("fetch.queue.backoff.ms"), Some("77"));
        assert_eq!(config.get("fetch.error.backoff.ms"), Some("100"));
    }
}

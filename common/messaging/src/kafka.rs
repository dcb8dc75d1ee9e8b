//! The event log on Apache Kafka.
//!
//! Reading order: [`config`] (what librdkafka is told), [`rebalance`] (assignments, between librdkafka's callbacks and
//! a subscription), [`subscription`].

mod config;
mod reading;
mod rebalance;
mod subscription;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::{DeliveryFuture, FutureRecord};
use rdkafka::producer::{FutureProducer, Producer};

use self::config::Logs;
use self::subscription::KafkaSubscription;
use crate::log::{EventLog, EventLogError, PublishError, Record, Subscription};
use crate::settings::{EventLogSettings, KafkaSettings, check_topic};

const PING_TIMEOUT: Duration = Duration::from_secs(3);
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

type LoggingProducer = FutureProducer<Logs>;
/// Records of one key keep their order within their topic.
type Place<'a> = (&'a str, &'a str);

/// An event log on Kafka.
pub struct KafkaLog {
    config: ClientConfig,
    /// Replaced when librdkafka declares it dead.
    producer: RwLock<LoggingProducer>,
    topic: String,
    partitions: i32,
    delivery_timeout: Duration,
    closed: AtomicBool,
}

impl KafkaLog {
    /// Connects in the background: brokers that are away are waited for.
    ///
    /// # Errors
    /// A property that librdkafka does not know or accept.
    pub fn new(
        brokers: &str,
        event_log: &EventLogSettings,
        kafka: &KafkaSettings,
    ) -> Result<Self, EventLogError> {
        let config = config::common(brokers, kafka);
        let delivery_timeout = Duration::from_millis(event_log.delivery_timeout_ms);
        let producer = new_producer(&config, delivery_timeout)
            .map_err(|e| EventLogError::refused("creating the producer", e))?;
        Ok(Self {
            config,
            producer: RwLock::new(producer),
            topic: event_log.topic.clone(),
            partitions: event_log.partitions,
            delivery_timeout,
            closed: AtomicBool::new(false),
        })
    }

    fn producer(&self) -> LoggingProducer {
        self.producer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An idempotent producer that lost count of what the broker has refuses everything from then on. Its successor
    /// starts counting anew; what failed is for the caller to repeat.
    fn replace_dead_producer(&self) {
        let mut producer = self.producer.write().unwrap_or_else(PoisonError::into_inner);
        let Some((code, reason)) = producer.client().fatal_error() else {
            return;
        };
        match new_producer(&self.config, self.delivery_timeout) {
            Ok(fresh) => {
                tracing::warn!(%code, reason, "the Kafka producer gave up and was replaced");
                *producer = fresh;
            }
            Err(error) => tracing::error!(%error, "the Kafka producer gave up and cannot be replaced"),
        }
    }

    /// Hands one record to librdkafka; waits while its queue is full.
    async fn enqueue(
        producer: &LoggingProducer,
        record: &Record,
        deadline: tokio::time::Instant,
    ) -> Result<DeliveryFuture, PublishError> {
        if let Err(invalid) = check_topic("topic", &record.topic) {
            return Err(PublishError::Rejected { reason: invalid.reason });
        }
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut message = FutureRecord::<str, [u8]>::to(&record.topic)
            .payload(&record.payload)
            .timestamp(record.timestamp_ms)
            .headers(headers);
        message.key = record.key.as_deref();
        loop {
            match producer.send_result(message) {
                Ok(delivery) => return Ok(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent))
                    if tokio::time::Instant::now() < deadline =>
                {
                    message = unsent;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err((error, _)) => return Err(unsent(error)),
            }
        }
    }
}

fn new_producer(config: &ClientConfig, delivery_timeout: Duration) -> Result<LoggingProducer, KafkaError> {
    config::producer(config, delivery_timeout).create_with_context(Logs::of("producer"))
}

/// A record that librdkafka did not even take.
fn unsent(error: KafkaError) -> PublishError {
    match error {
        KafkaError::MessageProduction(
            code @ (RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidTopic),
        ) => PublishError::Rejected { reason: code.to_string() },
        other => PublishError::Unacknowledged(other.into()),
    }
}

/// Behind the first record of a key that failed, nothing of this key counts as published.
#[derive(Default)]
struct Blocked<'a>(HashSet<Place<'a>>);

impl<'a> Blocked<'a> {
    fn contains(&self, record: &'a Record) -> bool {
        place(record).is_some_and(|place| self.0.contains(&place))
    }

    fn insert(&mut self, record: &'a Record) {
        self.0.extend(place(record));
    }
}

fn place(record: &Record) -> Option<Place<'_>> {
    Some((&record.topic, record.key.as_deref()?))
}

#[async_trait]
impl EventLog for KafkaLog {
    async fn publish(&self, records: &[Record]) -> Vec<Result<(), PublishError>> {
        if self.closed.load(Ordering::Acquire) {
            return records.iter().map(|_| Err(PublishError::Closed)).collect();
        }
        let producer = self.producer();
        let deadline = tokio::time::Instant::now() + self.delivery_timeout;
        let mut blocked = Blocked::default();
        let mut deliveries = Vec::with_capacity(records.len());
        for record in records {
            // All at once: librdkafka makes few large requests of them, several of them under way at a time.
            let delivery = if blocked.contains(record) {
                Err(PublishError::Predecessor)
            } else {
                Self::enqueue(&producer, record, deadline).await
            };
            if delivery.is_err() {
                blocked.insert(record);
            }
            deliveries.push(delivery);
        }
        let mut blocked = Blocked::default();
        let mut results = Vec::with_capacity(records.len());
        let mut unacknowledged = false;
        for (record, delivery) in std::iter::zip(records, deliveries) {
            let result = match delivery {
                Ok(delivery) => match delivery.await {
                    Ok(Ok(_)) if blocked.contains(record) => Err(PublishError::Predecessor),
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err((error, _))) => Err(PublishError::Unacknowledged(error.into())),
                    Err(canceled) => Err(PublishError::Unacknowledged(canceled.into())),
                },
                Err(error) => Err(error),
            };
            if let Err(error) = &result {
                blocked.insert(record);
                unacknowledged |= matches!(error, PublishError::Unacknowledged(_));
            }
            results.push(result);
        }
        if unacknowledged {
            self.replace_dead_producer();
        }
        results
    }

    async fn subscribe(&self, topic: &str, group: &str) -> Result<Box<dyn Subscription>, EventLogError> {
        check_topic("topic", topic).map_err(|invalid| EventLogError::refused("subscribing", invalid))?;
        let subscription = KafkaSubscription::join(&self.config, topic, group)
            .map_err(|e| EventLogError::refused("subscribing", e))?;
        Ok(Box::new(subscription))
    }

    async fn ping(&self) -> Result<(), EventLogError> {
        let unavailable = |source| EventLogError::unavailable("answering", source);
        let producer = self.producer();
        let topic = self.topic.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let metadata = producer.client().fetch_metadata(Some(&topic), PING_TIMEOUT);
            metadata.map(drop)
        });
        match asked.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(unavailable(error)),
            Err(gone) => Err(EventLogError::unavailable("answering", gone)),
        }
    }

    async fn ensure_topic(&self, topic: &str) -> Result<(), EventLogError> {
        const DOING: &str = "creating a topic";
        check_topic("topic", topic).map_err(|invalid| EventLogError::refused(DOING, invalid))?;
        let admin: AdminClient<Logs> = self
            .config
            .create_with_context(Logs::of("admin"))
            .map_err(|e| EventLogError::refused(DOING, e))?;
        // -1: as many replicas as the brokers find right.
        let new = NewTopic::new(topic, self.partitions, TopicReplication::Fixed(-1))
            .set("retention.ms", "-1")
            .set("cleanup.policy", "delete");
        let options =
            AdminOptions::new().request_timeout(Some(ADMIN_TIMEOUT)).operation_timeout(Some(ADMIN_TIMEOUT));
        let results =
            admin.create_topics([&new], &options).await.map_err(|e| EventLogError::unavailable(DOING, e))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => {
                    return Err(EventLogError::refused(DOING, KafkaError::AdminOp(code)));
                }
            }
        }
        Ok(())
    }

    async fn flush_and_close(&self) {
        self.closed.store(true, Ordering::Release);
        let producer = self.producer();
        let timeout = self.delivery_timeout;
        let flushed = tokio::task::spawn_blocking(move || producer.flush(timeout)).await;
        match flushed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "Kafka did not acknowledge everything before the log was closed");
            }
            Err(error) => tracing::warn!(%error, "the flush of the Kafka producer did not end"),
        }
    }
}

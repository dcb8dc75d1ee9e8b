//! The event log on Apache Kafka.
//!
//! Reading order: [`config`] (what librdkafka is told), [`publishing`], [`refusal`], [`topics`] (which are there, and how they are made),
//! [`rebalance`] (assignments, between librdkafka's callbacks and a subscription), [`partition`], [`client`] (the one
//! behind a subscription), [`subscription`], [`look`] (beside a subscription), [`members`] (who else is in the group), [`tail`]
//! (the end of a topic, without a group).

mod client;
mod config;
mod look;
mod members;
mod partition;
mod publishing;
mod reading;
mod rebalance;
mod refusal;
mod subscription;
mod tail;
mod topics;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::ClientConfig;
use rdkafka::producer::Producer;

use self::members::Member;
use self::publishing::Publisher;
pub use self::reading::received;
use self::subscription::KafkaSubscription;
use self::tail::KafkaTail;
use crate::log::{EventLog, EventLogError, PublishError, Record, Subscription, Tail};
use crate::settings::{EventLogSettings, KafkaSettings, check_topic};

const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// An event log on Kafka.
pub struct KafkaLog {
    config: ClientConfig,
    publisher: Publisher,
    topic: String,
    partitions: i32,
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
        let publisher = Publisher::new(&config, Duration::from_millis(event_log.delivery_timeout_ms))
            .map_err(|e| EventLogError::refused("creating the producer", e))?;
        Ok(Self {
            config,
            publisher,
            topic: event_log.topic.clone(),
            partitions: event_log.partitions,
            closed: AtomicBool::new(false),
        })
    }

    fn join(
        &self,
        topic: &str,
        group: &str,
        database: Option<&str>,
    ) -> Result<Box<dyn Subscription>, EventLogError> {
        const SUBSCRIBING: &str = "subscribing";
        check_topic("topic", topic).map_err(|invalid| EventLogError::refused(SUBSCRIBING, invalid))?;
        let member = database.map(|database| Member::new(topic, group, database));
        let subscription = KafkaSubscription::join(&self.config, topic, group, member)
            .map_err(|e| EventLogError::refused(SUBSCRIBING, e))?;
        Ok(Box::new(subscription))
    }
}

#[async_trait]
impl EventLog for KafkaLog {
    async fn publish(&self, records: &[Record]) -> Vec<Result<(), PublishError>> {
        if self.closed.load(Ordering::Acquire) {
            return records.iter().map(|_| Err(PublishError::Closed)).collect();
        }
        self.publisher.publish(records).await
    }

    async fn subscribe(&self, topic: &str, group: &str) -> Result<Box<dyn Subscription>, EventLogError> {
        self.join(topic, group, None)
    }

    async fn subscribe_for(
        &self,
        topic: &str,
        group: &str,
        database: &str,
    ) -> Result<Box<dyn Subscription>, EventLogError> {
        self.join(topic, group, Some(database))
    }

    async fn tail(&self, topic: &str, reader: &str, from_ms: i64) -> Result<Box<dyn Tail>, EventLogError> {
        check_topic("topic", topic).map_err(|invalid| EventLogError::refused("reading", invalid))?;
        Ok(Box::new(KafkaTail::open(&self.config, topic, reader, from_ms).await?))
    }

    async fn ping(&self) -> Result<(), EventLogError> {
        let unavailable = |source| EventLogError::unavailable("answering", source);
        let producer = self.publisher.producer();
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
        check_topic("topic", topic).map_err(|invalid| EventLogError::refused(topics::CREATING, invalid))?;
        topics::ensure(&self.config, topic, self.partitions).await
    }

    async fn dangers(&self, topic: &str) -> Result<Vec<String>, EventLogError> {
        topics::dangers(&self.config, topic).await
    }

    async fn flush_and_close(&self) {
        self.closed.store(true, Ordering::Release);
        self.publisher.flush().await;
    }
}

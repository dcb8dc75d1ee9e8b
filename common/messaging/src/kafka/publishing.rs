//! Records on their way to the brokers: together, and one by one where that was refused.
//!
//! Brokers take or refuse a whole batch, and librdkafka makes the batches: one record that is too large, or many that are
//! too large together, fail all that travel with them. Only a record that travels alone is refused for its own sake.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::{DeliveryFuture, FutureRecord};
use rdkafka::producer::{FutureProducer, Producer};
use tokio::time::Instant;

use super::config::{self, Logs};
use super::refusal::{failure, unacknowledged};
use crate::log::{PublishError, Record, Refusal, RefusalScope};
use crate::settings::check_topic;

type LoggingProducer = FutureProducer<Logs>;
/// Records of one key keep their order within their topic.
type Place<'a> = (&'a str, &'a str);

pub(super) struct Publisher {
    config: ClientConfig,
    delivery_timeout: Duration,
    /// Replaced when librdkafka declares it dead, and when it seems to be.
    producer: RwLock<LoggingProducer>,
    /// How many records brokers have acknowledged.
    acknowledged: AtomicUsize,
    /// For records that travel alone; made when the first one has to. A refusal costs an idempotent producer its sequence
    /// numbers, and the others a pause: here nothing else is under way.
    alone: Mutex<Option<LoggingProducer>>,
}

/// What became of a record that travelled with others.
enum Fate {
    Settled(Result<(), PublishError>),
    /// The broker refused its batch, for its sake or for another's.
    Suspected,
}

impl Publisher {
    pub(super) fn new(config: &ClientConfig, delivery_timeout: Duration) -> Result<Self, KafkaError> {
        let producer =
            config::producer(config, delivery_timeout).create_with_context(Logs::of("producer"))?;
        Ok(Self {
            config: config.clone(),
            delivery_timeout,
            producer: RwLock::new(producer),
            acknowledged: AtomicUsize::new(0),
            alone: Mutex::new(None),
        })
    }

    pub(super) fn producer(&self) -> LoggingProducer {
        self.producer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn publish(&self, records: &[Record]) -> Vec<Result<(), PublishError>> {
        let before = self.acknowledged.load(Ordering::Relaxed);
        let fates = self.together(records).await;
        let acknowledged = fates.iter().filter(|fate| matches!(fate, Fate::Settled(Ok(())))).count();
        self.acknowledged.fetch_add(acknowledged, Ordering::Relaxed);
        if fates.iter().any(|fate| matches!(fate, Fate::Suspected)) {
            return self.one_by_one(records, fates).await;
        }
        let results: Vec<_> = fates
            .into_iter()
            .map(|fate| match fate {
                Fate::Settled(result) => result,
                Fate::Suspected => Err(PublishError::Predecessor),
            })
            .collect();
        if results.iter().any(|result| matches!(result, Err(PublishError::Unacknowledged(_)))) {
            self.replace_dead_producer(before);
        }
        results
    }

    pub(super) async fn flush(&self) {
        let producers = [Some(self.producer()), self.alone().clone()];
        let timeout = self.delivery_timeout;
        let flushed = tokio::task::spawn_blocking(move || {
            producers.into_iter().flatten().try_for_each(|producer| producer.flush(timeout))
        });
        match flushed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "Kafka did not acknowledge everything before the log was closed");
            }
            Err(error) => tracing::warn!(%error, "the flush of the Kafka producer did not end"),
        }
    }

    /// All at once: librdkafka makes few large requests of them, several of them under way at a time.
    async fn together(&self, records: &[Record]) -> Vec<Fate> {
        let producer = self.producer();
        let deadline = Instant::now() + self.delivery_timeout;
        let mut blocked = Blocked::default();
        let mut deliveries = Vec::with_capacity(records.len());
        for record in records {
            let delivery = if blocked.contains(record) {
                Err(PublishError::Predecessor)
            } else {
                enqueue(&producer, record, deadline).await
            };
            if delivery.is_err() {
                blocked.insert(record);
            }
            deliveries.push(delivery);
        }
        let mut blocked = Blocked::default();
        let mut fates = Vec::with_capacity(records.len());
        for (record, delivery) in std::iter::zip(records, deliveries) {
            let fate = match delivery {
                Ok(delivery) => match delivered(delivery).await {
                    Ok(()) if blocked.contains(record) => Fate::Settled(Err(PublishError::Predecessor)),
                    Err(PublishError::Refused(_)) => Fate::Suspected,
                    settled => Fate::Settled(settled),
                },
                Err(error) => Fate::Settled(Err(error)),
            };
            if !matches!(fate, Fate::Settled(Ok(()))) {
                blocked.insert(record);
            }
            fates.push(fate);
        }
        fates
    }

    /// Those of a refused batch again, each alone, and what waits behind them.
    async fn one_by_one(&self, records: &[Record], fates: Vec<Fate>) -> Vec<Result<(), PublishError>> {
        let producer = self.alone_producer();
        let deadline = Instant::now() + self.delivery_timeout;
        let mut blocked = Blocked::default();
        let mut refused_topics: HashMap<&str, Refusal> = HashMap::new();
        let mut away = false;
        let mut results = Vec::with_capacity(records.len());
        for (record, fate) in std::iter::zip(records, fates) {
            let result = match fate {
                Fate::Settled(settled) if !matches!(settled, Err(PublishError::Predecessor)) => settled,
                _ if blocked.contains(record) => Err(PublishError::Predecessor),
                _ => match (refused_topics.get(record.topic.as_str()), &producer) {
                    (Some(refusal), _) => Err(PublishError::Refused(refusal.clone())),
                    _ if away || Instant::now() >= deadline => Err(unacknowledged("no time was left")),
                    (None, Ok(producer)) => match enqueue(producer, record, deadline).await {
                        Ok(delivery) => delivered(delivery).await,
                        Err(error) => Err(error),
                    },
                    (None, Err(error)) => Err(unacknowledged(error.clone())),
                },
            };
            match &result {
                Err(PublishError::Refused(refusal)) if refusal.scope == RefusalScope::Topic => {
                    refused_topics.entry(&record.topic).or_insert_with(|| refusal.clone());
                }
                Err(PublishError::Unacknowledged(_)) => away = true,
                _ => {}
            }
            if result.is_err() {
                blocked.insert(record);
            }
            results.push(result);
        }
        if away {
            // The next one starts without what this one may be waiting for.
            drop_elsewhere(self.alone().take());
        }
        results
    }

    /// An idempotent producer that lost count of what the broker has refuses everything from then on. After an outage one
    /// sometimes lets everything time out, although the broker answers everybody else; `before`: so many were acknowledged when
    /// the failed call began. Its successor starts counting anew; what failed is for the caller to repeat.
    fn replace_dead_producer(&self, before: usize) {
        let mut producer = self.producer.write().unwrap_or_else(PoisonError::into_inner);
        let fatal = producer.client().fatal_error();
        if fatal.is_none() && self.acknowledged.load(Ordering::Relaxed) != before {
            return;
        }
        let successor =
            config::producer(&self.config, self.delivery_timeout).create_with_context(Logs::of("producer"));
        match successor {
            Ok(fresh) => {
                match fatal {
                    Some((code, reason)) => {
                        tracing::warn!(%code, reason, "the Kafka producer gave up and was replaced");
                    }
                    None => tracing::debug!("nothing was acknowledged; the Kafka producer was replaced"),
                }
                let former = std::mem::replace(&mut *producer, fresh);
                drop_elsewhere(former);
            }
            Err(error) => tracing::error!(%error, "the Kafka producer gave up and cannot be replaced"),
        }
    }

    fn alone_producer(&self) -> Result<LoggingProducer, KafkaError> {
        let mut alone = self.alone();
        if let Some(producer) = alone.as_ref() {
            return Ok(producer.clone());
        }
        let made: LoggingProducer = config::producer_of_single_records(&self.config, self.delivery_timeout)
            .create_with_context(Logs::of("producer of single records"))?;
        *alone = Some(made.clone());
        Ok(made)
    }

    fn alone(&self) -> std::sync::MutexGuard<'_, Option<LoggingProducer>> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The drop of a client waits for librdkafka's threads: that of one which is stuck may never return.
pub(super) fn drop_elsewhere<T: Send + 'static>(client: T) {
    if let Err(error) = std::thread::Builder::new().spawn(move || drop(client)) {
        tracing::warn!(%error, "no thread for the end of a Kafka client");
    }
}

/// Hands one record to librdkafka; waits while its queue is full.
async fn enqueue(
    producer: &LoggingProducer,
    record: &Record,
    deadline: Instant,
) -> Result<DeliveryFuture, PublishError> {
    if let Err(invalid) = check_topic("topic", &record.topic) {
        return Err(PublishError::Refused(Refusal {
            code: RDKafkaErrorCode::InvalidTopic.to_string(),
            reason: invalid.reason,
            scope: RefusalScope::Topic,
        }));
    }
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    let mut message = FutureRecord::<str, [u8]>::to(&record.topic)
        .payload(&record.payload)
        // Brokers refuse what lies in the future, and with it its whole batch.
        .timestamp(record.timestamp_ms.min(storage::now_ms()))
        .headers(headers);
    message.key = record.key.as_deref();
    loop {
        match producer.send_result(message) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent))
                if Instant::now() < deadline =>
            {
                message = unsent;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err((error, _)) => return Err(failure(error)),
        }
    }
}

async fn delivered(delivery: DeliveryFuture) -> Result<(), PublishError> {
    match delivery.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(failure(error)),
        Err(canceled) => Err(unacknowledged(canceled)),
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

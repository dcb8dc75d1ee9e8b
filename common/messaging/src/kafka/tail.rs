//! The end of a topic, read by a consumer that is in no group: it is assigned all partitions and stores nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::statistics::Statistics;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::config::{self, Logs};
use super::publishing::drop_elsewhere;
use super::reading::received;
use crate::log::{EventLogError, ReceivedRecord, Tail};

/// For each answer of the broker while the tail is opened.
const PATIENCE: Duration = Duration::from_secs(10);
/// librdkafka says as often which partitions there are, and whether it can read them.
const STATISTICS_EVERY_MS: &str = "5000";
/// A client that finds no leader for so long is replaced: it may never find one again (ADR 11). Nothing is lost with it.
const LOST_AFTER: Duration = Duration::from_secs(30);
const OPENING: &str = "opening the end of a topic";
const READING: &str = "reading the end of a topic";

pub(super) struct KafkaTail {
    /// `None` only while it is dropped.
    consumer: Option<Arc<StreamConsumer<Watched>>>,
    topic: String,
    /// Of each partition not read so far yet, the offset at which it ended when the tail was opened.
    ahead: BTreeMap<i32, i64>,
    /// An outage is reported once.
    away: bool,
}

impl KafkaTail {
    pub(super) async fn open(
        common: &ClientConfig,
        topic: &str,
        reader: &str,
        from_ms: i64,
    ) -> Result<Self, EventLogError> {
        let mut config = config::consumer(common, reader, Some(&format!("{topic}.{reader}.tail")));
        config.set("statistics.interval.ms", STATISTICS_EVERY_MS);
        let name = topic.to_owned();
        let opened = tokio::task::spawn_blocking(move || open(&config, &name, from_ms)).await;
        let (consumer, ahead) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Err(EventLogError::unavailable(OPENING, error)),
            Err(gone) => return Err(EventLogError::unavailable(OPENING, gone)),
        };
        Ok(Self { consumer: Some(Arc::new(consumer)), topic: topic.to_owned(), ahead, away: false })
    }

    fn consumer(&self) -> Result<&Arc<StreamConsumer<Watched>>, EventLogError> {
        self.consumer.as_ref().ok_or(EventLogError::Closed)
    }

    fn accept(
        &mut self,
        message: Result<BorrowedMessage<'_>, KafkaError>,
    ) -> Result<Option<ReceivedRecord>, EventLogError> {
        match message {
            Ok(message) => {
                self.away = false;
                let (partition, next) = (message.partition(), message.offset() + 1);
                if self.ahead.get(&partition).is_some_and(|end| next >= *end) {
                    self.ahead.remove(&partition);
                }
                Ok(Some(received(&message)))
            }
            // Where a transaction's marker comes last, no record reaches the end.
            Err(KafkaError::PartitionEOF(partition)) => {
                self.ahead.remove(&partition);
                Ok(None)
            }
            Err(error) => self.report(error).map(|()| None),
        }
    }

    /// Most errors of a consumer are states that pass.
    fn report(&mut self, error: KafkaError) -> Result<(), EventLogError> {
        match &error {
            KafkaError::MessageConsumptionFatal(_)
            | KafkaError::MessageConsumption(
                RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition,
            ) => return Err(EventLogError::unavailable(READING, error)),
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::InvalidTopic,
            ) => return Err(EventLogError::refused(READING, error)),
            // It is in no group, whatever the group's coordinator says.
            KafkaError::MessageConsumption(RDKafkaErrorCode::GroupAuthorizationFailed) => return Ok(()),
            _ => {}
        }
        if !self.away {
            self.away = true;
            tracing::warn!(%error, topic = self.topic, "reading the end of a topic is interrupted; waiting");
        }
        Ok(())
    }
}

/// The consumer, and of each partition that has to be caught up with where it ends. Blocks.
fn open(
    config: &ClientConfig,
    topic: &str,
    from_ms: i64,
) -> Result<(StreamConsumer<Watched>, BTreeMap<i32, i64>), KafkaError> {
    const NOT_THERE: KafkaError = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
    let consumer: StreamConsumer<Watched> = config.create_with_context(Watched::of(topic))?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let partitions: BTreeSet<i32> =
        found.ok_or(NOT_THERE)?.partitions().iter().map(|partition| partition.id()).collect();
    if partitions.is_empty() {
        return Err(NOT_THERE);
    }
    // The ends first: what is appended between the two questions lies behind them, whatever its time.
    let mut ends = BTreeMap::new();
    let mut times = TopicPartitionList::new();
    for partition in &partitions {
        let bounds = consumer.fetch_watermarks(topic, *partition, PATIENCE)?;
        ends.insert(*partition, bounds);
        times.add_partition_offset(topic, *partition, Offset::Offset(from_ms))?;
    }
    let firsts = consumer.offsets_for_times(times, PATIENCE)?;
    let mut list = TopicPartitionList::new();
    let mut ahead = BTreeMap::new();
    for (partition, (_, end)) in ends {
        let found = firsts.find_partition(topic, partition);
        let first = match found.as_ref().map(|found| (found.error(), found.offset())) {
            Some((Ok(()), Offset::Offset(first))) => first.min(end),
            Some((Ok(()), Offset::End)) => end,
            Some((Err(error), _)) => return Err(error),
            _ => return Err(KafkaError::OffsetFetch(RDKafkaErrorCode::Unknown)),
        };
        list.add_partition_offset(topic, partition, Offset::Offset(first))?;
        if first < end {
            ahead.insert(partition, end);
        }
    }
    consumer.context().reads(partitions);
    consumer.assign(&list)?;
    Ok((consumer, ahead))
}

#[async_trait]
impl Tail for KafkaTail {
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<ReceivedRecord>, EventLogError> {
        let deadline = tokio::time::Instant::now() + wait;
        let consumer = Arc::clone(self.consumer()?);
        let mut records = Vec::new();
        loop {
            if let Some(why) = consumer.context().is_of_no_use() {
                return Err(EventLogError::unavailable(READING, why));
            }
            // Nothing waits between a record that was taken and its delivery.
            while records.len() < max.max(1)
                && let Some(message) = consumer.recv().now_or_never()
            {
                records.extend(self.accept(message)?);
            }
            if !records.is_empty() {
                return Ok(records);
            }
            match tokio::time::timeout_at(deadline, consumer.recv()).await {
                Ok(message) => match self.accept(message)? {
                    Some(record) => records.push(record),
                    // Caught up: whoever waits for it wants to know.
                    None if self.ahead.is_empty() => return Ok(records),
                    None => {}
                },
                Err(_elapsed) => return Ok(records),
            }
        }
    }

    fn has_caught_up(&self) -> bool {
        self.ahead.is_empty()
    }
}

impl Drop for KafkaTail {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            drop_elsewhere(consumer);
        }
    }
}

/// What librdkafka's statistics say of a tail.
struct Watched {
    logs: Logs,
    topic: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    reads: BTreeSet<i32>,
    has_more: bool,
    without_leader: Option<Instant>,
}

impl Watched {
    fn of(topic: &str) -> Self {
        Self { logs: Logs::of("tail"), topic: topic.to_owned(), state: Mutex::default() }
    }

    fn reads(&self, partitions: BTreeSet<i32>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).reads = partitions;
    }

    fn is_of_no_use(&self) -> Option<&'static str> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.has_more {
            return Some("the topic has more partitions than before");
        }
        let lost = state.without_leader.is_some_and(|since| since.elapsed() >= LOST_AFTER);
        lost.then_some("the Kafka client finds no leader of a partition, and is replaced")
    }
}

impl ClientContext for Watched {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.logs.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::GroupAuthorizationFailed) {
            self.logs.error(error, reason);
        }
    }

    fn stats(&self, statistics: Statistics) {
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // -1 is librdkafka's own.
        let is_new = |number: &i32| *number >= 0 && !state.reads.contains(number);
        let has_more = !state.reads.is_empty() && topic.partitions.keys().any(is_new);
        let has_leaders =
            topic.partitions.values().all(|partition| !partition.desired || partition.leader >= 0);
        state.has_more = has_more;
        state.without_leader =
            if has_leaders { None } else { state.without_leader.or_else(|| Some(Instant::now())) };
    }
}

impl ConsumerContext for Watched {}

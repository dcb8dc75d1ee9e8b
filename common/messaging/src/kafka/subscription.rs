//! A member of a Kafka consumer group.

use std::collections::BTreeMap;
use std::future::{poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::time::{Instant, timeout_at};

use super::config;
use super::look::{are_only_markers, is_there, look};
use super::members::Member;
use super::partition::Partition;
use super::publishing::drop_elsewhere;
use super::reading::{behind, received};
use super::rebalance::{Change, Rebalances, assign};
use crate::log::{EventLogError, PartitionView, Polled, ReceivedRecord, Subscription};

/// librdkafka answers these from its memory; the time is for a machine that is very busy.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(1);
/// A seek that librdkafka could not do yet is tried again after this time.
const SEEK_AGAIN: Duration = Duration::from_millis(50);
/// The group's offset is told to the broker as often: a request for each batch cost broker and client more than the batch.
/// The truth is in the service's database. (Kafka's `auto.commit.interval.ms` is five seconds.)
const TELL_EVERY: Duration = Duration::from_secs(1);
/// librdkafka says as often whether it reads.
const STATISTICS_EVERY_MS: &str = "5000";
/// After an outage librdkafka sometimes never reads again, although the broker answers everybody else: it waits for the
/// end of a commit, or believes that a partition has no leader. A rebalance may take `max.poll.interval.ms`, and this is longer.
const LOST_AFTER: Duration = Duration::from_secs(75);
const READING: &str = "reading";
const ASKING_FOR_THE_END: &str = "asking for the end of the log";
const LOOKING: &str = "looking at the log";
const ASKING_FOR_MEMBERS: &str = "asking for the group's members";

pub(super) struct KafkaSubscription {
    /// `None` only while it is dropped.
    consumer: Option<Arc<StreamConsumer<Rebalances>>>,
    config: ClientConfig,
    topic: String,
    member: Option<Member>,
    partitions: BTreeMap<i32, Partition>,
    /// The partition that was served last; the others come first.
    served: i32,
    /// When the broker was told the group's offsets.
    told_at: Instant,
    /// An outage is reported once.
    away: bool,
    /// When it was last found out whether librdkafka is at fault.
    suspected_at: Instant,
}

impl KafkaSubscription {
    pub(super) fn join(
        common: &ClientConfig,
        topic: &str,
        group: &str,
        member: Option<Member>,
    ) -> Result<Self, KafkaError> {
        let client_id = member.as_ref().map(Member::client_id);
        let config = config::consumer(common, group, client_id.as_deref());
        let consumer: StreamConsumer<Rebalances> = config
            .clone()
            .set("statistics.interval.ms", STATISTICS_EVERY_MS)
            .create_with_context(Rebalances::new())?;
        consumer.subscribe(&[topic])?;
        Ok(Self {
            consumer: Some(Arc::new(consumer)),
            config,
            topic: topic.to_owned(),
            member,
            partitions: BTreeMap::new(),
            served: -1,
            told_at: Instant::now(),
            away: false,
            suspected_at: Instant::now(),
        })
    }

    fn consumer(&self) -> Result<&Arc<StreamConsumer<Rebalances>>, EventLogError> {
        self.consumer.as_ref().ok_or(EventLogError::Closed)
    }

    fn rebalanced(&mut self, change: Change) -> Polled {
        match change {
            Change::Assigned(partitions) => {
                for partition in &partitions {
                    self.partitions.insert(*partition, Partition::default());
                }
                Polled::Assigned(partitions)
            }
            Change::Revoked(partitions) => {
                self.tell();
                for partition in &partitions {
                    self.partitions.remove(partition);
                }
                Polled::Revoked(partitions)
            }
        }
    }

    /// Tells the broker how far the group has come.
    fn tell(&mut self) {
        self.told_at = Instant::now();
        let Some(consumer) = &self.consumer else { return };
        let mut list = TopicPartitionList::new();
        for (number, partition) in &mut self.partitions {
            let Some(next_offset) = partition.committed.filter(|_| partition.committed != partition.told)
            else {
                continue;
            };
            if list.add_partition_offset(&self.topic, *number, Offset::Offset(next_offset)).is_ok() {
                partition.told = partition.committed;
            }
        }
        if list.count() > 0
            && let Err(error) = consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(%error, "group offsets not committed; the positions in the database count");
        }
    }

    /// The second half of an assignment: the caller has had its chance to seek.
    fn start_fetching(&mut self) -> Result<(), EventLogError> {
        if self.partitions.values().all(|partition| partition.fetching) {
            return Ok(());
        }
        let failed = |e: KafkaError| EventLogError::unavailable("taking partitions on", e);
        let mut list = TopicPartitionList::new();
        for (number, partition) in &mut self.partitions {
            if !partition.fetching {
                // Without an offset librdkafka takes the committed one, or the earliest.
                let offset = partition.sought;
                list.add_partition_offset(
                    &self.topic,
                    *number,
                    offset.map_or(Offset::Invalid, Offset::Offset),
                )
                .map_err(failed)?;
            }
        }
        assign(self.consumer()?.as_ref(), &list).map_err(failed)?;
        for partition in self.partitions.values_mut().filter(|p| !p.fetching) {
            partition.fetching = true;
            partition.sought = None;
        }
        Ok(())
    }

    /// Tells librdkafka where to go on reading. Whether all of it is done.
    fn seek_now(&mut self) -> Result<bool, EventLogError> {
        let Self { consumer: Some(consumer), topic, partitions, .. } = self else {
            return Err(EventLogError::Closed);
        };
        let mut done = true;
        for (number, partition) in partitions {
            let Some(offset) = partition.sought else {
                continue;
            };
            match consumer.seek(topic, *number, Offset::Offset(offset), LOCAL_TIMEOUT) {
                Ok(()) => partition.sought = None,
                // Not before it has found out where the group is, for instance.
                Err(error) => {
                    tracing::debug!(%error, partition = number, "seek is not possible yet");
                    done = false;
                }
            }
        }
        Ok(done)
    }

    /// Takes over what librdkafka has fetched, until there is enough or somebody else's turn.
    fn drain(&mut self, max: usize) -> Result<(), EventLogError> {
        let consumer = Arc::clone(self.consumer()?);
        for _ in 0..max.saturating_mul(4) {
            if consumer.context().any() {
                break;
            }
            let Some(message) = consumer.recv().now_or_never() else {
                break;
            };
            if self.accept(message)? >= max {
                break;
            }
        }
        Ok(())
    }

    /// How many records of its partition are here now.
    fn accept(&mut self, message: Result<BorrowedMessage<'_>, KafkaError>) -> Result<usize, EventLogError> {
        let message = match message {
            Ok(message) => message,
            Err(KafkaError::PartitionEOF(number)) => {
                if let Some(partition) = self.partitions.get_mut(&number) {
                    partition.at_end = partition.fetching && partition.sought.is_none();
                }
                return Ok(0);
            }
            Err(error) => return self.report(error).map(|()| 0),
        };
        self.away = false;
        match self.partitions.get_mut(&message.partition()) {
            // What comes before a seek is done is from the old place.
            Some(partition) if partition.fetching && partition.sought.is_none() => {
                Ok(partition.keep(received(&message)))
            }
            _ => Ok(0),
        }
    }

    /// Most errors of a consumer are states that pass.
    fn report(&mut self, error: KafkaError) -> Result<(), EventLogError> {
        match &error {
            KafkaError::MessageConsumptionFatal(_) => {
                return Err(EventLogError::unavailable(READING, error));
            }
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::InvalidTopic,
            ) => return Err(EventLogError::refused(READING, error)),
            KafkaError::MessageConsumption(RDKafkaErrorCode::BadCompression) => {
                metrics::counter!("consumer_unreadable_batches_total", "topic" => self.topic.clone())
                    .increment(1);
                tracing::error!(
                    topic = self.topic,
                    "a compressed batch cannot be read: it is damaged, or too large for a reader's memory; it is passed"
                );
                return Ok(());
            }
            _ => {}
        }
        if !self.away {
            self.away = true;
            tracing::warn!(%error, topic = self.topic, "reading from Kafka is interrupted; waiting");
        }
        Ok(())
    }

    /// Records of the next partition that has some.
    fn take(&mut self, max: usize) -> Option<Vec<ReceivedRecord>> {
        let (number, partition) = {
            let after = self.partitions.range(self.served.saturating_add(1)..);
            let next = after.chain(&self.partitions).find(|(_, partition)| partition.has_some());
            let number = *next?.0;
            (number, self.partitions.get_mut(&number)?)
        };
        self.served = number;
        Some(partition.take(max))
    }

    /// librdkafka reads nothing, and a new client could.
    async fn is_lost(&mut self) -> Result<bool, EventLogError> {
        let unwell = self.consumer()?.context().unwell_for();
        if unwell < LOST_AFTER || self.suspected_at.elapsed() < LOST_AFTER {
            return Ok(false);
        }
        self.suspected_at = Instant::now();
        let (config, topic) = (self.config.clone(), self.topic.clone());
        Ok(tokio::task::spawn_blocking(move || is_there(&config, &topic)).await.unwrap_or(false))
    }

    fn give_up(&mut self) -> EventLogError {
        if let Some(consumer) = self.consumer.take() {
            consumer.context().close();
            drop_elsewhere(consumer);
        }
        EventLogError::unavailable(READING, "the Kafka client did not recover from an outage and is replaced")
    }

    /// Waits for the next message, or a rebalance, which comes from inside of `recv`.
    async fn wait(&mut self, deadline: Instant) -> Result<bool, EventLogError> {
        let consumer = Arc::clone(self.consumer()?);
        let mut recv = pin!(consumer.recv());
        let next = poll_fn(|cx| match recv.as_mut().poll(cx) {
            Poll::Ready(message) => Poll::Ready(Some(message)),
            Poll::Pending if consumer.context().any() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match timeout_at(deadline, next).await {
            Ok(Some(message)) => self.accept(message).map(|_| true),
            Ok(None) => Ok(true),
            Err(_elapsed) => Ok(false),
        }
    }
}

#[async_trait]
impl Subscription for KafkaSubscription {
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Polled, EventLogError> {
        let max = max.max(1);
        let deadline = Instant::now() + wait;
        if self.told_at.elapsed() >= TELL_EVERY {
            self.tell();
        }
        if self.is_lost().await? {
            return Err(self.give_up());
        }
        if let Some(change) = self.consumer()?.context().next() {
            return Ok(self.rebalanced(change));
        }
        self.start_fetching()?;
        loop {
            let settled = self.seek_now()?;
            self.drain(max)?;
            // First: what is revoked is not delivered any more.
            if let Some(change) = self.consumer()?.context().next() {
                return Ok(self.rebalanced(change));
            }
            if let Some(records) = self.take(max) {
                return Ok(Polled::Records(records));
            }
            let until = if settled { deadline } else { deadline.min(Instant::now() + SEEK_AGAIN) };
            if !self.wait(until).await? && Instant::now() >= deadline {
                return Ok(Polled::Records(Vec::new()));
            }
        }
    }

    async fn seek(&mut self, partition: i32, offset: i64) -> Result<(), EventLogError> {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.seek(offset);
        }
        Ok(())
    }

    async fn commit(&mut self, partition: i32, next_offset: i64) -> Result<(), EventLogError> {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.committed = Some(next_offset);
        }
        Ok(())
    }

    fn look(
        &mut self,
        at: Vec<(i32, Vec<i64>)>,
    ) -> BoxFuture<'static, Result<Vec<PartitionView>, EventLogError>> {
        let (config, topic) = (self.config.clone(), self.topic.clone());
        beside(LOOKING, move || look(&config, &topic, at))
    }

    fn lag(&mut self) -> BoxFuture<'static, Result<Vec<(i32, i64)>, EventLogError>> {
        let Some(consumer) = self.consumer.clone() else {
            return ready(Err(EventLogError::Closed)).boxed();
        };
        let topic = self.topic.clone();
        let config = self.config.clone();
        let partitions: Vec<(i32, Option<i64>, bool)> = self
            .partitions
            .iter()
            .map(|(number, partition)| (*number, partition.committed, partition.seems_done()))
            .collect();
        // The broker answers behind the fetch that waits on the same connection: half a second for each partition.
        beside(ASKING_FOR_THE_END, move || {
            let behind = |(number, committed, seems_done): (i32, Option<i64>, bool)| {
                let (number, lag) = behind(&consumer, &topic, number, committed)?;
                match committed {
                    Some(from)
                        if lag > 0 && seems_done && are_only_markers(&config, &topic, (number, from))? =>
                    {
                        Ok((number, 0))
                    }
                    _ => Ok((number, lag)),
                }
            };
            partitions.into_iter().map(behind).collect()
        })
    }

    fn other_databases(&mut self) -> BoxFuture<'static, Result<Vec<String>, EventLogError>> {
        let Some(member) = self.member.clone() else {
            return ready(Ok(Vec::new())).boxed();
        };
        let config = self.config.clone();
        beside(ASKING_FOR_MEMBERS, move || member.other_databases(&config))
    }
}

/// Asks the broker on another thread: librdkafka's answers block.
fn beside<T: Send + 'static>(
    doing: &'static str,
    question: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> BoxFuture<'static, Result<T, EventLogError>> {
    let asked = tokio::task::spawn_blocking(question);
    let answer = async move {
        match asked.await {
            Ok(answer) => answer.map_err(|e| EventLogError::unavailable(doing, e)),
            Err(gone) => Err(EventLogError::unavailable(doing, gone)),
        }
    };
    answer.boxed()
}

impl Drop for KafkaSubscription {
    fn drop(&mut self) {
        self.tell();
        let Some(consumer) = self.consumer.take() else {
            return;
        };
        let noted = consumer.context().close();
        if noted || self.partitions.values().any(|partition| !partition.fetching) {
            // librdkafka still waits for this answer. Without it the consumer would never leave the group, and its drop
            // would never return.
            let _ = assign(consumer.as_ref(), &TopicPartitionList::new());
        }
        // Leaving the group takes a round trip, and blocks.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(consumer))),
            Err(_) => drop(consumer),
        }
    }
}

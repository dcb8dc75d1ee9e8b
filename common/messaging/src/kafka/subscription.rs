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
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::time::{Instant, timeout_at};

use super::client::Client;
use super::config;
use super::look::{are_only_markers, beside, look};
use super::members::Member;
use super::partition::Partition;
use super::reading::{behind, received};
use super::rebalance::{Change, assign};
use crate::log::{EventLogError, PartitionView, Polled, ReceivedRecord, Subscription};

/// librdkafka answers these from its memory; the time is for a machine that is very busy.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(1);
/// A seek that librdkafka could not do yet is tried again after this time.
const SEEK_AGAIN: Duration = Duration::from_millis(50);
/// The group's offset is told to the broker as often: a request for each batch cost broker and client more than the batch.
/// The truth is in the service's database. (Kafka's `auto.commit.interval.ms` is five seconds.)
const TELL_EVERY: Duration = Duration::from_secs(1);
const READING: &str = "reading";
const ASKING_FOR_THE_END: &str = "asking for the end of the log";
const LOOKING: &str = "looking at the log";
const ASKING_FOR_MEMBERS: &str = "asking for the group's members";

pub(super) struct KafkaSubscription {
    client: Client,
    member: Option<Member>,
    partitions: BTreeMap<i32, Partition>,
    /// The partition that was served last; the others come first.
    served: i32,
    /// When the broker was told the group's offsets.
    told_at: Instant,
    /// An outage is reported once.
    away: bool,
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
        Ok(Self {
            client: Client::join(config, topic)?,
            member,
            partitions: BTreeMap::new(),
            served: -1,
            told_at: Instant::now(),
            away: false,
        })
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
        let Ok(consumer) = self.client.consumer() else { return };
        let mut list = TopicPartitionList::new();
        for (number, partition) in &mut self.partitions {
            let Some(next_offset) = partition.committed.filter(|_| partition.committed != partition.told)
            else {
                continue;
            };
            if list.add_partition_offset(self.client.topic(), *number, Offset::Offset(next_offset)).is_ok() {
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
                    self.client.topic(),
                    *number,
                    offset.map_or(Offset::Invalid, Offset::Offset),
                )
                .map_err(failed)?;
            }
        }
        assign(self.client.consumer()?.as_ref(), &list).map_err(failed)?;
        for partition in self.partitions.values_mut().filter(|p| !p.fetching) {
            partition.fetching = true;
            partition.sought = None;
        }
        Ok(())
    }

    /// Tells librdkafka where to go on reading. Whether all of it is done.
    fn seek_now(&mut self) -> Result<bool, EventLogError> {
        let Self { client, partitions, .. } = self;
        let consumer = client.consumer()?;
        let mut done = true;
        for (number, partition) in partitions {
            let Some(offset) = partition.sought else {
                continue;
            };
            match consumer.seek(client.topic(), *number, Offset::Offset(offset), LOCAL_TIMEOUT) {
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

    /// Takes the records that librdkafka has fetched, until there are enough or a rebalance waits.
    fn drain(&mut self, max: usize) -> Result<(), EventLogError> {
        let consumer = Arc::clone(self.client.consumer()?);
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
                metrics::counter!("consumer_unreadable_batches_total", "topic" => self.client.topic().to_owned())
                    .increment(1);
                tracing::error!(
                    topic = self.client.topic(),
                    "a compressed batch cannot be read: it is damaged, or too large for a reader's memory; it is passed"
                );
                return Ok(());
            }
            _ => {}
        }
        if !self.away {
            self.away = true;
            tracing::warn!(%error, topic = self.client.topic(), "reading from Kafka is interrupted; waiting");
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

    /// Waits for the next message, or a rebalance, which comes from inside of `recv`.
    async fn wait(&mut self, deadline: Instant) -> Result<bool, EventLogError> {
        let consumer = Arc::clone(self.client.consumer()?);
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
        if self.client.is_lost().await? {
            self.client.give_up();
            let replaced = "the Kafka client did not recover from an outage and is replaced";
            return Err(EventLogError::unavailable(READING, replaced));
        }
        if let Some(change) = self.client.consumer()?.context().next() {
            return Ok(self.rebalanced(change));
        }
        self.start_fetching()?;
        loop {
            let settled = self.seek_now()?;
            self.drain(max)?;
            // First: what is revoked is not delivered any more.
            if let Some(change) = self.client.consumer()?.context().next() {
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
        let (config, topic) = (self.client.config().clone(), self.client.topic().to_owned());
        beside(LOOKING, move || look(&config, &topic, at))
    }

    fn lag(&mut self) -> BoxFuture<'static, Result<Vec<(i32, i64)>, EventLogError>> {
        let consumer = match self.client.consumer() {
            Ok(consumer) => Arc::clone(consumer),
            Err(closed) => return ready(Err(closed)).boxed(),
        };
        let (config, topic) = (self.client.config().clone(), self.client.topic().to_owned());
        let partitions: Vec<(i32, Option<i64>, bool)> = self
            .partitions
            .iter()
            .map(|(number, partition)| (*number, partition.committed, partition.seems_done()))
            .collect();
        // The broker answers behind the fetch that waits on the same connection: half a second for each partition.
        beside(ASKING_FOR_THE_END, move || {
            let lag = |(number, committed, seems_done): (i32, Option<i64>, bool)| {
                let (number, lag) = behind(&consumer, &topic, number, committed)?;
                let only_markers = match committed {
                    Some(from) if lag > 0 && seems_done => are_only_markers(&config, &topic, (number, from))?,
                    _ => false,
                };
                Ok((number, if only_markers { 0 } else { lag }))
            };
            partitions.into_iter().map(lag).collect()
        })
    }

    fn other_databases(&mut self) -> BoxFuture<'static, Result<Vec<String>, EventLogError>> {
        let Some(member) = self.member.clone() else {
            return ready(Ok(Vec::new())).boxed();
        };
        let config = self.client.config().clone();
        beside(ASKING_FOR_MEMBERS, move || member.other_databases(&config))
    }
}

impl Drop for KafkaSubscription {
    fn drop(&mut self) {
        self.tell();
        self.client.leave(self.partitions.values().any(|partition| !partition.fetching));
    }
}

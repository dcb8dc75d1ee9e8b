//! The event log: the port through which facts leave a service and reach the others.
//!
//! Two adapters keep the obligations written here, [`crate::local::LocalLog`] (a file) and [`crate::kafka::KafkaLog`];
//! `tests/event_log_contract.rs` holds both to them.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use envelope::{Arrived, ReadError};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use telemetry::TraceContext;

/// What an adapter found underneath: a driver's error, kept as the source.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// A record to publish. Records with the same key keep their order; a record without a key has no order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub topic: String,
    pub key: Option<String>,
    pub payload: Vec<u8>,
    /// In this order, names may repeat.
    pub headers: Vec<(String, Vec<u8>)>,
    pub timestamp_ms: i64,
}

impl Record {
    /// A record without a value, or with an empty one: what Kafka calls a tombstone. It tells a log that compacts to
    /// forget a key, and tells nothing about what the key stands for.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        self.payload.is_empty()
    }
}

/// A record with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRecord {
    pub partition: i32,
    pub offset: i64,
    pub record: Record,
}

impl ReceivedRecord {
    /// The fact that the record is, not decoded yet.
    ///
    /// # Errors
    /// It is none.
    pub fn fact(&self) -> Result<Arrived<'_>, ReadError> {
        Arrived::new(&self.record.headers, &self.record.payload)
    }

    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.record.headers.iter().find(|(other, _)| other == name)?;
        Some(value)
    }

    /// The trace of what caused the record.
    pub fn trace(&self) -> Option<TraceContext> {
        self.header("traceparent").and_then(TraceContext::parse_bytes)
    }
}

/// What a subscription has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// These partitions are ours from now on. Nothing of them is delivered before the next call of
    /// [`Subscription::poll`], so that the caller can [`seek`](Subscription::seek) first.
    Assigned(Vec<i32>),
    /// These partitions are no longer ours. Nothing of them is delivered until they are assigned again; what was
    /// delivered and not yet made durable belongs to somebody else now.
    Revoked(Vec<i32>),
    /// Records of one partition, offsets ascending. Empty: nothing came within the wait.
    Records(Vec<ReceivedRecord>),
}

/// A look at a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionView {
    pub partition: i32,
    /// The offset of the earliest record that is still there; the same as `end` where there is none.
    pub begin: i64,
    /// The offset that the next record will have.
    pub end: i64,
    /// Of the offsets that were asked about, those that have a record.
    pub records: Vec<ReceivedRecord>,
}

/// A durable, append-only log of topics.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends the records and returns one result per record, in the order of the slice.
    ///
    /// `Ok` means durable: on disk (local log), acknowledged by all in-sync replicas (Kafka). Records of one key
    /// stand in the log in the order of the slice. Of one key, nothing behind a failed record is `Ok`: it is
    /// [`PublishError::Predecessor`], so that a caller who repeats everything that failed keeps the order.
    /// Different calls that run at the same time have no order between them.
    ///
    /// A record that the log does not take hinders no other: a log that refuses several records for one of them, or for
    /// what they are together, is asked again for each, alone. Only what it refuses then is [`PublishError::Refused`].
    ///
    /// The log may keep an earlier time than a record says where that lies in the future: brokers refuse such times.
    ///
    /// The time that a call takes is bounded also when the log is away. A dropped call publishes all, some or none.
    ///
    /// # Errors
    /// See [`PublishError`]. An error does **not** say that the record is not in the log: it may be, and then it is
    /// there twice after the repetition.
    async fn publish(&self, records: &[Record]) -> Vec<Result<(), PublishError>>;

    /// Joins the group. A group without a position starts at the earliest record. A partition is assigned to one
    /// subscriber of a group at a time; groups know nothing of each other. Leaves the group when dropped.
    ///
    /// Succeeds also when the log cannot be reached just now: the assignment then comes later.
    async fn subscribe(&self, topic: &str, group: &str) -> Result<Box<dyn Subscription>, EventLogError>;

    /// As [`subscribe`](EventLog::subscribe). A log whose groups reach beyond one deployment tells the other members into
    /// which database this one reads.
    async fn subscribe_for(
        &self,
        topic: &str,
        group: &str,
        _database: &str,
    ) -> Result<Box<dyn Subscription>, EventLogError> {
        self.subscribe(topic, group).await
    }

    /// Reads all partitions of the topic, alone: without a group, and without a position that outlives the tail. Everything
    /// is delivered whose time is `from_ms` (epoch milliseconds) or later, and everything that is appended from now on;
    /// earlier records may come as well. `reader` is the service, for the log's access rights and for who looks at its clients.
    ///
    /// # Errors
    /// The topic is not there, or the log cannot be reached: whoever wants the tail tries again.
    async fn tail(&self, topic: &str, reader: &str, from_ms: i64) -> Result<Box<dyn Tail>, EventLogError>;

    /// Asks the log for a sign of life; for health checks. Takes at most a few seconds.
    async fn ping(&self) -> Result<(), EventLogError>;

    /// Creates the topic if it is not there; its records are kept for ever. An existing topic stays as it is, and needs
    /// no right to create it.
    async fn ensure_topic(&self, topic: &str) -> Result<(), EventLogError>;

    /// Under which of its settings records of the topic do not last; one line each. None, if they are kept for ever.
    async fn dangers(&self, topic: &str) -> Result<Vec<String>, EventLogError>;

    /// Waits, for a bounded time, until what was given to [`publish`](EventLog::publish) is written. Afterwards
    /// publishing fails with [`PublishError::Closed`]. Subscriptions are not closed: drop them first.
    async fn flush_and_close(&self);
}

/// A member of a consumer group.
#[async_trait]
pub trait Subscription: Send {
    /// Waits until something happens, at most `wait`; returns at most `max` records. Cancel-safe: what a dropped
    /// call had in hand comes with the next one.
    ///
    /// A log that is away is not an error here: nothing comes, the subscription recovers by itself. To stay in its
    /// group a subscriber calls this at least every few minutes.
    ///
    /// # Errors
    /// Only what does not heal by itself: the caller drops the subscription and subscribes anew.
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Polled, EventLogError>;

    /// Reads on from `offset`: the next record delivered of that partition is the first one at or behind it.
    /// A partition that is not assigned is left alone. Without a call after `Assigned`, reading starts at what
    /// [`commit`](Subscription::commit) last said for this group, else at the earliest record.
    async fn seek(&mut self, partition: i32, offset: i64) -> Result<(), EventLogError>;

    /// Tells the log that the group has done everything before `next_offset`; for lag and tools, the truth is in
    /// the service's database. May be lost in a crash and may take effect a little later.
    async fn commit(&mut self, partition: i32, next_offset: i64) -> Result<(), EventLogError>;

    /// Looks at partitions, whether they are assigned or not: their bounds, and the records at the given offsets. For
    /// finding out whether this is still the log that a group has read. Partitions that the log does not have are left
    /// out. The answer takes a while; the subscription is free meanwhile.
    fn look(
        &mut self,
        at: Vec<(i32, Vec<i64>)>,
    ) -> BoxFuture<'static, Result<Vec<PartitionView>, EventLogError>>;

    /// How many records the group is behind, for each partition assigned to this subscriber: end of the log minus
    /// what was last committed (or sought). The answer may take seconds; the subscription is free meanwhile, and nobody's
    /// records should wait for it.
    fn lag(&mut self) -> BoxFuture<'static, Result<Vec<(i32, i64)>, EventLogError>>;

    /// The databases besides ours into which members of the group read the topic, and where these members are; one line
    /// each. Known only of members of [`subscribe_for`](EventLog::subscribe_for). The answer may take seconds.
    fn other_databases(&mut self) -> BoxFuture<'static, Result<Vec<String>, EventLogError>> {
        ready(Ok(Vec::new())).boxed()
    }
}

/// The end of a topic, read by one who wants all of it and keeps nothing: see [`EventLog::tail`].
#[async_trait]
pub trait Tail: Send {
    /// Waits until something is there, at most `wait`; returns at most `max` records, those of a partition in order. Empty:
    /// nothing came. Cancel-safe.
    ///
    /// A log that is away is not an error here: nothing comes, the tail recovers by itself.
    ///
    /// # Errors
    /// What does not heal by itself: the caller drops the tail and opens another one. The topic has become another, for
    /// instance, or has more partitions.
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<ReceivedRecord>, EventLogError>;

    /// Whether [`poll`](Tail::poll) has returned everything that lay in the topic when the tail was opened.
    fn has_caught_up(&self) -> bool;
}

/// Why a record is not known to be durable.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The log did not acknowledge in time, or failed. The record may be in the log all the same. Repeat it.
    #[error("the event log did not acknowledge the record")]
    Unacknowledged(#[source] BoxError),
    /// The event log answers and refuses the record. Tries fail until an operator changes the log's settings.
    #[error("the event log refuses the record: {0}")]
    Refused(Refusal),
    /// An earlier record of the same key failed in the same call. Repeat it after that one.
    #[error("an earlier record of the same key was not published")]
    Predecessor,
    /// [`EventLog::flush_and_close`] was called. Not in the log.
    #[error("the event log is closed")]
    Closed,
}

/// What a log says that does not take a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({code})")]
pub struct Refusal {
    /// The log's name for it, one of few: a label for metrics.
    pub code: String,
    pub reason: String,
    pub scope: RefusalScope,
}

/// What else the log would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalScope {
    /// Nothing for sure: the record's size, its time, its having no key.
    Record,
    /// All records of the topic: it is not there, or not for us to write.
    Topic,
}

impl PublishError {
    /// Whether the same record may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unacknowledged(_) | Self::Predecessor)
    }
}

/// Why the log could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum EventLogError {
    /// The log cannot be reached or fails; it may be there again later.
    #[error("the event log is not available ({doing})")]
    Unavailable {
        doing: &'static str,
        #[source]
        source: BoxError,
    },
    /// The log answers and refuses: an access right, a name, a setting.
    #[error("the event log refuses ({doing})")]
    Refused {
        doing: &'static str,
        #[source]
        source: BoxError,
    },
    /// The log was closed.
    #[error("the event log is closed")]
    Closed,
}

impl EventLogError {
    pub(crate) fn unavailable(doing: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Unavailable { doing, source: source.into() }
    }

    pub(crate) fn refused(doing: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Refused { doing, source: source.into() }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

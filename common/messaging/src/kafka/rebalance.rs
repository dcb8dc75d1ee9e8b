//! Assignments on their way from librdkafka to a subscription.
//!
//! The callback runs inside the subscription's own `poll`. It gives partitions up at once. New ones it only notes:
//! librdkafka waits for the call of `assign` (the group stays stable meanwhile), and the subscription makes it in its
//! next `poll`, when the caller has had the chance to say where to read from. So nothing is fetched in vain.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;

use super::config::Logs;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
}

/// The consumer's context.
pub(super) struct Rebalances {
    logs: Logs,
    changes: Mutex<VecDeque<Change>>,
    closing: AtomicBool,
    /// Since when librdkafka's statistics say that it does not read what it should.
    unwell: Mutex<Option<Instant>>,
}

impl Rebalances {
    pub(super) fn new() -> Self {
        Self {
            logs: Logs::of("consumer"),
            changes: Mutex::new(VecDeque::new()),
            closing: AtomicBool::new(false),
            unwell: Mutex::new(None),
        }
    }

    pub(super) fn next(&self) -> Option<Change> {
        self.changes().pop_front()
    }

    pub(super) fn any(&self) -> bool {
        !self.changes().is_empty()
    }

    /// From now on the consumer declines assignments. Returns whether librdkafka still waits for the answer to one.
    pub(super) fn close(&self) -> bool {
        self.closing.store(true, Ordering::Release);
        self.changes().iter().any(|change| matches!(change, Change::Assigned(_)))
    }

    /// How long the consumer has been outside of its group, or without a leader for one of its partitions.
    pub(super) fn unwell_for(&self) -> Duration {
        let unwell = self.unwell.lock().unwrap_or_else(PoisonError::into_inner);
        unwell.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn changes(&self) -> MutexGuard<'_, VecDeque<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.logs.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.logs.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let mut unwell = self.unwell.lock().unwrap_or_else(PoisonError::into_inner);
        *unwell = if reads(&statistics) { None } else { unwell.or_else(|| Some(Instant::now())) };
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<i32> = list.elements().iter().map(|e| e.partition()).collect();
        let assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        tracing::debug!(assigned, ?partitions, "rebalance");
        if assigned && !partitions.is_empty() && !self.closing.load(Ordering::Acquire) {
            self.changes().push_back(Change::Assigned(partitions));
            return;
        }
        let answered =
            if assigned { assign(consumer, &TopicPartitionList::new()) } else { unassign(consumer, list) };
        if let Err(error) = answered {
            tracing::warn!(%error, "the consumer's answer to a rebalance failed");
        }
        if !assigned && !partitions.is_empty() {
            self.changes().push_back(Change::Revoked(partitions));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            // The truth is in the service's database; the next commit makes up for this one.
            tracing::debug!(%error, "a commit of offsets failed");
        }
    }
}

/// It is a member of its group, and each partition that it reads has a leader.
fn reads(statistics: &Statistics) -> bool {
    let joined = statistics.cgrp.as_ref().is_some_and(|group| group.join_state == "steady");
    let mut partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
    joined && partitions.all(|partition| !partition.desired || partition.leader >= 0)
}

/// Takes partitions on, in the way of the group's protocol.
pub(super) fn assign<C: Consumer<Rebalances>>(consumer: &C, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
    }
}

fn unassign(consumer: &BaseConsumer<Rebalances>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}

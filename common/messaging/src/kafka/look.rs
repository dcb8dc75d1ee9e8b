//! A look at partitions, beside the subscription: by a client of its own, so that nothing that is fetched is disturbed,
//! and no answer waits behind a fetch on the same connection.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::config::Logs;
use super::reading::received;
use crate::log::{EventLogError, PartitionView, ReceivedRecord};

/// For all of it.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL_WAIT: Duration = Duration::from_millis(100);

impl ConsumerContext for Logs {}

/// Whether a client that is new finds a leader for each partition of the topic. Blocks.
pub(super) fn is_there(config: &ClientConfig, topic: &str) -> bool {
    let metadata = config
        .create_with_context(Logs::of("look"))
        .and_then(|consumer: BaseConsumer<Logs>| consumer.fetch_metadata(Some(topic), PATIENCE));
    metadata.is_ok_and(|metadata| {
        let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions()).peekable();
        partitions.peek().is_some() && partitions.all(|partition| partition.leader() >= 0)
    })
}

/// Bounds, and the records at the offsets. Blocks.
pub(super) fn look(
    config: &ClientConfig,
    topic: &str,
    at: Vec<(i32, Vec<i64>)>,
) -> Result<Vec<PartitionView>, KafkaError> {
    let deadline = Instant::now() + PATIENCE;
    // It is assigned partitions and never subscribes: it does not join the group.
    let consumer: BaseConsumer<Logs> = config.create_with_context(Logs::of("look"))?;
    let mut views = Vec::new();
    for (partition, _) in &at {
        match consumer.fetch_watermarks(topic, *partition, left(deadline)?) {
            Ok((begin, end)) => {
                views.push(PartitionView { partition: *partition, begin, end, records: Vec::new() });
            }
            // The topic has come back with fewer partitions.
            Err(error) if is_no_partition(&error) => {}
            Err(error) => return Err(error),
        }
    }
    // The first offsets of all partitions together, then the second ones.
    for round in 0.. {
        let mut more = false;
        let mut wanted = Vec::new();
        for view in &views {
            let offsets = at.iter().find(|(partition, _)| *partition == view.partition);
            if let Some(offset) = offsets.and_then(|(_, offsets)| offsets.get(round)) {
                more = true;
                if (view.begin..view.end).contains(offset) {
                    wanted.push((view.partition, *offset));
                }
            }
        }
        if !more {
            break;
        }
        for record in first_from(&consumer, topic, &wanted, deadline)? {
            if wanted.contains(&(record.partition, record.offset)) {
                let view = views.iter_mut().find(|view| view.partition == record.partition);
                view.into_iter().for_each(|view| view.records.push(record.clone()));
            }
        }
    }
    Ok(views)
}

/// Whether nothing but markers of transactions, and what was aborted, lies from there to the end. Blocks.
pub(super) fn are_only_markers(
    config: &ClientConfig,
    topic: &str,
    from: (i32, i64),
) -> Result<bool, KafkaError> {
    let consumer: BaseConsumer<Logs> = config.create_with_context(Logs::of("look"))?;
    first_from(&consumer, topic, &[from], Instant::now() + PATIENCE).map(|records| records.is_empty())
}

/// Of each partition the first record at or behind the offset, where there is one.
fn first_from(
    consumer: &BaseConsumer<Logs>,
    topic: &str,
    wanted: &[(i32, i64)],
    deadline: Instant,
) -> Result<Vec<ReceivedRecord>, KafkaError> {
    let mut records = Vec::new();
    if wanted.is_empty() {
        return Ok(records);
    }
    let mut list = TopicPartitionList::new();
    for (partition, offset) in wanted {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.assign(&list)?;
    let mut open: BTreeMap<i32, i64> = wanted.iter().copied().collect();
    while !open.is_empty() {
        let left = left(deadline)?;
        match consumer.poll(left.min(POLL_WAIT)) {
            None => {}
            Some(Ok(message)) => {
                let partition = message.partition();
                if open.get(&partition).is_some_and(|offset| message.offset() >= *offset) {
                    open.remove(&partition);
                    records.push(received(&message));
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
            // States that pass, until the deadline.
            Some(Err(error)) => tracing::debug!(%error, topic, "looking at the log is interrupted"),
        }
    }
    Ok(records)
}

/// Asks the broker on another thread: librdkafka's answers block.
pub(super) fn beside<T: Send + 'static>(
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

fn is_no_partition(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopicOrPartition)
    )
}

fn left(deadline: Instant) -> Result<Duration, KafkaError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
    }
    Ok(left)
}

//! What a consumer knows and gets, in the words of the port.

use std::time::Duration;

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::rebalance::Rebalances;
use crate::log::{ReceivedRecord, Record};

const BROKER_TIMEOUT: Duration = Duration::from_secs(3);

/// How many records are behind the last committed one.
pub(super) fn behind(
    consumer: &StreamConsumer<Rebalances>,
    topic: &str,
    partition: i32,
    committed: Option<i64>,
) -> Result<(i32, i64), KafkaError> {
    let (low, high) = consumer.fetch_watermarks(topic, partition, BROKER_TIMEOUT)?;
    let done = match committed {
        Some(offset) => offset,
        None => {
            let mut list = TopicPartitionList::new();
            list.add_partition(topic, partition);
            let stored = consumer.committed_offsets(list, BROKER_TIMEOUT)?;
            match stored.find_partition(topic, partition).map(|e| e.offset()) {
                Some(Offset::Offset(offset)) => offset,
                _ => low,
            }
        }
    };
    Ok((partition, (high - done.max(low)).max(0)))
}

/// A message in the words of the port.
pub fn received(message: &impl Message) -> ReceivedRecord {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect()
    });
    ReceivedRecord {
        partition: message.partition(),
        offset: message.offset(),
        record: Record {
            topic: message.topic().to_owned(),
            // Our keys are text. A foreign key that is not makes its record a dead letter.
            key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
            payload: message.payload().unwrap_or_default().to_vec(),
            headers,
            timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
        },
    }
}

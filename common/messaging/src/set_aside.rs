//! The copy of a dead letter that goes to `<topic>.<group>.dlt`: the record as it came, plus headers that say why.
//!
//! A copy that brokers would refuse for its size goes without what is too large; the letter in the service's database is whole.
//!
//! Header names as Spring Cloud Stream's Kafka binder writes them (`x-original-topic`, `x-exception-message`, ...).

use crate::dead_letters::reason::legible;
use crate::log::{ReceivedRecord, Record};

/// A broker takes a megabyte by default, our headers included, and so does librdkafka.
const LARGEST_COPY: usize = 900_000;
/// What a header needs beside name and value: their lengths.
const HEADER_FRAME: usize = 10;

pub(crate) fn dead_letter_record(
    received: &ReceivedRecord,
    group: &str,
    reason: &str,
    attempts: i32,
) -> Record {
    let original = &received.record;
    let whole = size(original) <= LARGEST_COPY;
    let mut headers = if whole { original.headers.clone() } else { Vec::new() };
    if !whole {
        headers.push(("x-left-out".to_owned(), b"value and headers, for their size".to_vec()));
    }
    for (name, value) in [
        ("x-original-topic", original.topic.clone()),
        ("x-original-partition", received.partition.to_string()),
        ("x-original-offset", received.offset.to_string()),
        ("x-original-timestamp", original.timestamp_ms.to_string()),
        ("x-exception-message", legible(reason)),
        ("x-attempts", attempts.to_string()),
        ("x-dead-letter-time", storage::now_ms().to_string()),
    ] {
        headers.push((name.to_owned(), value.into_bytes()));
    }
    Record {
        topic: format!("{}.{group}.dlt", original.topic),
        key: original.key.clone().filter(|key| key.len() <= LARGEST_COPY),
        payload: if whole { original.payload.clone() } else { Vec::new() },
        headers,
        timestamp_ms: original.timestamp_ms,
    }
}

fn size(record: &Record) -> usize {
    let headers =
        record.headers.iter().map(|(name, value)| name.len() + value.len() + HEADER_FRAME).sum::<usize>();
    record.key.as_ref().map_or(0, String::len) + record.payload.len() + headers
}

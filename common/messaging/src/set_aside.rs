//! The copy of a dead letter that goes to `<topic>.<group>.dlt`: the record as it came, plus headers that say why.
//!
//! Header names as Spring Cloud Stream's Kafka binder writes them (`x-original-topic`, `x-exception-message`, ...).

use crate::dead_letters::reason::legible;
use crate::log::{ReceivedRecord, Record};

pub(crate) fn dead_letter_record(
    received: &ReceivedRecord,
    group: &str,
    reason: &str,
    attempts: i32,
) -> Record {
    let original = &received.record;
    let mut headers = original.headers.clone();
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
        key: original.key.clone(),
        payload: original.payload.clone(),
        headers,
        timestamp_ms: original.timestamp_ms,
    }
}

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::Event;

/// Of every record's value.
pub const CONTENT_TYPE: &str = "application/json";

const RFC_3339: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// The record's headers: `type` and `contentType` as Spring Cloud Stream sets them,
/// CloudEvents 1.0 in binary mode, and the trace that the fact belongs to.
///
/// `source` is the producer's name; `source` and `ce_id` together name this record, a second
/// delivery of it included.
pub fn headers(
    event: &Event,
    source: &str,
    ce_id: &str,
    timestamp_ms: i64,
    traceparent: Option<&str>,
) -> Vec<(String, Vec<u8>)> {
    let mut headers = Vec::with_capacity(8);
    let mut put = |name: &str, value: &str| {
        headers.push((name.to_owned(), value.as_bytes().to_vec()));
    };
    put("type", event.event_type());
    put("contentType", CONTENT_TYPE);
    put("ce_id", ce_id);
    put("ce_source", source);
    put("ce_type", event.event_type());
    // Optional in CloudEvents: a moment beyond the calendar is left out rather than invented.
    if let Some(time) = rfc_3339(timestamp_ms) {
        put("ce_time", &time);
    }
    put("ce_specversion", "1.0");
    if let Some(traceparent) = traceparent {
        put("traceparent", traceparent);
    }
    headers
}

fn rfc_3339(timestamp_ms: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(timestamp_ms) * 1_000_000)
        .ok()?
        .format(RFC_3339)
        .ok()
}

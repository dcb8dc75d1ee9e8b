use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::arrived::Arrived;
use crate::fact::{Fact, Topic};

/// Of every record's value.
pub const CONTENT_TYPE: &str = "application/json";

const RFC_3339: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A fact of any type, ready to be told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Envelope {
    pub topic: &'static str,
    pub fact_type: &'static str,
    pub producer: &'static str,
    pub status: &'static str,
    pub key: String,
    pub version: i64,
    /// Epoch milliseconds.
    pub timestamp_ms: i64,
    /// W3C trace context of what caused the fact.
    pub traceparent: Option<String>,
    /// The value of the record: flat JSON.
    pub payload: Vec<u8>,
}

impl Envelope {
    /// A fact that is told at this moment, in epoch milliseconds.
    pub fn of<F: Fact>(fact: &F, timestamp_ms: i64) -> Self {
        let Topic { name: topic, .. } = F::TOPIC;
        Self {
            topic,
            fact_type: F::TYPE,
            producer: F::PRODUCER,
            status: F::STATUS,
            key: fact.key(),
            version: fact.version(),
            timestamp_ms,
            traceparent: None,
            payload: payload(fact, timestamp_ms),
        }
    }

    #[must_use]
    pub fn caused_by(mut self, traceparent: Option<String>) -> Self {
        self.traceparent = traceparent;
        self
    }

    /// The headers of the record: `type` and `contentType` as Spring Cloud Stream sets them, CloudEvents 1.0 in binary
    /// mode, and the trace.
    pub fn headers(&self) -> Vec<(String, Vec<u8>)> {
        let mut headers = Vec::with_capacity(8);
        let mut put = |name: &str, value: &str| {
            headers.push((name.to_owned(), value.as_bytes().to_vec()));
        };
        put("type", self.fact_type);
        put("contentType", CONTENT_TYPE);
        // With the source it names the fact, also where the record is delivered twice.
        put("ce_id", &format!("{}.{}", self.key, self.version));
        put("ce_source", self.producer);
        put("ce_type", self.fact_type);
        // Optional in CloudEvents: a moment beyond the calendar is left out rather than invented.
        if let Some(time) = rfc_3339(self.timestamp_ms) {
            put("ce_time", &time);
        }
        put("ce_specversion", "1.0");
        if let Some(traceparent) = &self.traceparent {
            put("traceparent", traceparent);
        }
        headers
    }

    /// As a reader gets it.
    pub fn arrived(&self) -> Arrived<'_> {
        Arrived::known(self.fact_type, &self.payload)
    }
}

/// `eventType` and `timestamp` first, the fields, `status` and `version` last. Written into one buffer, no tree in between.
fn payload<F: Fact>(fact: &F, timestamp_ms: i64) -> Vec<u8> {
    let mut number = itoa::Buffer::new();
    let mut json = Vec::with_capacity(512);
    json.extend_from_slice(b"{\"eventType\":\"");
    json.extend_from_slice(F::TYPE.as_bytes());
    json.extend_from_slice(b"\",\"timestamp\":");
    json.extend_from_slice(number.format(timestamp_ms).as_bytes());
    // The fields come as an object of their own: its braces give way to the commas.
    let opening = json.len();
    serde_json::to_writer(&mut json, fact).expect("numbers and text into memory cannot fail");
    json[opening] = b',';
    json.pop();
    json.extend_from_slice(b",\"status\":\"");
    json.extend_from_slice(F::STATUS.as_bytes());
    json.extend_from_slice(b"\",\"version\":");
    json.extend_from_slice(number.format(fact.version()).as_bytes());
    json.push(b'}');
    json
}

fn rfc_3339(timestamp_ms: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(timestamp_ms) * 1_000_000)
        .ok()?
        .format(RFC_3339)
        .ok()
}

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use crate::{Event, admissible, lenient};

/// An event as read from the log, with the moment of its writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub event: Event,
    /// Epoch milliseconds.
    pub timestamp_ms: i64,
}

/// Why a record is no fact for us. Only [`ReadError::Invalid`] is somebody's mistake about
/// a reservation of ours.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not a JSON object.
    #[error("the record is not a JSON object: {0}")]
    NotJson(String),
    /// An object without an `eventType` that is text.
    #[error("the record has no eventType")]
    NoType,
    /// A fact that this release does not know: a newer producer's. A reader skips it.
    #[error("the eventType {0:?} is unknown here")]
    UnknownType(String),
    /// The type is known, and the fields do not fit it or cannot be true: a dead letter.
    #[error("{event_type} cannot be read: {reason}")]
    Invalid { event_type: &'static str, reason: String },
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "eventType", borrow, default)]
    event_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Timestamp(#[serde(deserialize_with = "lenient::int")] i64);

impl Event {
    /// Reads what any release has written: unknown fields are ignored, numbers may be text,
    /// and dates that are missing are the record's own. A fact that cannot be true is none: see
    /// `admissible.rs`.
    pub fn from_json(json: &[u8]) -> Result<Fact, ReadError> {
        let head = head(json)?;
        let event_type = head.event_type.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        match event_type.ok_or(ReadError::NoType)?.as_str() {
            "ReservationCreated" => read(json, &head, Event::ReservationCreated, "ReservationCreated"),
            "ReservationCancelled" => read(json, &head, Event::ReservationCancelled, "ReservationCancelled"),
            "PaymentCreated" => read(json, &head, Event::PaymentCreated, "PaymentCreated"),
            "PaymentCancelled" => read(json, &head, Event::PaymentCancelled, "PaymentCancelled"),
            "ReceiptCreated" => read(json, &head, Event::ReceiptCreated, "ReceiptCreated"),
            "ReceiptCancelled" => read(json, &head, Event::ReceiptCancelled, "ReceiptCancelled"),
            // Cut, because it is logged and anybody may have written it.
            other => Err(ReadError::UnknownType(other.chars().take(100).collect())),
        }
    }

    fn dates_mut(&mut self) -> (&mut i64, &mut i64) {
        match self {
            Self::ReservationCreated(fact) => (&mut fact.created_at, &mut fact.modified_at),
            Self::ReservationCancelled(fact) => (&mut fact.created_at, &mut fact.modified_at),
            Self::PaymentCreated(fact) => (&mut fact.created_at, &mut fact.modified_at),
            Self::PaymentCancelled(fact) => (&mut fact.created_at, &mut fact.modified_at),
            Self::ReceiptCreated(fact) => (&mut fact.created_at, &mut fact.modified_at),
            Self::ReceiptCancelled(fact) => (&mut fact.created_at, &mut fact.modified_at),
        }
    }
}

/// Everything that is needed before the type is known, in one reading.
fn head(json: &[u8]) -> Result<Head<'_>, ReadError> {
    // serde reads a struct from an array as well; a fact is an object.
    if json.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(match serde_json::from_slice::<IgnoredAny>(json) {
            Ok(_) => ReadError::NotJson("another JSON value".to_owned()),
            Err(error) => ReadError::NotJson(error.to_string()),
        });
    }
    serde_json::from_slice(json).map_err(|error| ReadError::NotJson(error.to_string()))
}

fn read<T: DeserializeOwned>(
    json: &[u8],
    head: &Head<'_>,
    event: fn(T) -> Event,
    event_type: &'static str,
) -> Result<Fact, ReadError> {
    let invalid = |error: serde_json::Error| ReadError::Invalid { event_type, reason: error.to_string() };
    let timestamp = head.timestamp.ok_or_else(|| invalid(serde::de::Error::missing_field("timestamp")))?;
    let Timestamp(timestamp) = serde_json::from_str(timestamp.get()).map_err(invalid)?;
    let mut event = event(serde_json::from_slice(json).map_err(invalid)?);
    let (created_at, modified_at) = event.dates_mut();
    if *created_at == 0 {
        *created_at = timestamp;
    }
    if *modified_at == 0 {
        *modified_at = timestamp;
    }
    admissible::check(&event, timestamp).map_err(|reason| ReadError::Invalid { event_type, reason })?;
    Ok(Fact { event, timestamp_ms: timestamp })
}

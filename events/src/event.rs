use serde::Serialize;

use crate::{
    PaymentCancelled, PaymentCreated, ReceiptCancelled, ReceiptCreated, ReservationCancelled,
    ReservationCreated, Status,
};

/// One of the six facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    ReservationCreated(ReservationCreated),
    ReservationCancelled(ReservationCancelled),
    PaymentCreated(PaymentCreated),
    PaymentCancelled(PaymentCancelled),
    ReceiptCreated(ReceiptCreated),
    ReceiptCancelled(ReceiptCancelled),
}

impl Event {
    /// Every name that [`Event::event_type`] gives.
    pub const TYPES: [&'static str; 6] = [
        "ReservationCreated",
        "ReservationCancelled",
        "PaymentCreated",
        "PaymentCancelled",
        "ReceiptCreated",
        "ReceiptCancelled",
    ];

    pub fn event_type(&self) -> &'static str {
        match self {
            Self::ReservationCreated(_) => "ReservationCreated",
            Self::ReservationCancelled(_) => "ReservationCancelled",
            Self::PaymentCreated(_) => "PaymentCreated",
            Self::PaymentCancelled(_) => "PaymentCancelled",
            Self::ReceiptCreated(_) => "ReceiptCreated",
            Self::ReceiptCancelled(_) => "ReceiptCancelled",
        }
    }

    /// What the thing has become by this fact.
    pub fn status(&self) -> Status {
        match self {
            Self::ReservationCreated(_) => Status::Reservated,
            Self::ReservationCancelled(_) => Status::ReservationCancelled,
            Self::PaymentCreated(_) => Status::Paid,
            Self::PaymentCancelled(_) => Status::PaymentCancelled,
            Self::ReceiptCreated(_) => Status::ReceiptIssued,
            Self::ReceiptCancelled(_) => Status::ReceiptCancelled,
        }
    }

    /// The reservation that this fact belongs to, whoever tells it.
    pub fn reservation_id(&self) -> i64 {
        match self {
            Self::ReservationCreated(fact) => fact.id,
            Self::ReservationCancelled(fact) => fact.id,
            Self::PaymentCreated(fact) => fact.pre_reservation_id,
            Self::PaymentCancelled(fact) => fact.pre_reservation_id,
            Self::ReceiptCreated(fact) => fact.pre_reservation_id,
            Self::ReceiptCancelled(fact) => fact.pre_reservation_id,
        }
    }

    /// The record's key: all facts of one reservation lie in one partition, in order.
    pub fn key(&self) -> String {
        self.reservation_id().to_string()
    }

    /// Counts the changes of the reservation, payment or receipt told of.
    pub fn version(&self) -> i64 {
        match self {
            Self::ReservationCreated(fact) => fact.version,
            Self::ReservationCancelled(fact) => fact.version,
            Self::PaymentCreated(fact) => fact.version,
            Self::PaymentCancelled(fact) => fact.version,
            Self::ReceiptCreated(fact) => fact.version,
            Self::ReceiptCancelled(fact) => fact.version,
        }
    }

    /// The record's value: `eventType` and `timestamp` first, the fields, `status` and
    /// `version` last. Written into one buffer, no tree in between.
    pub fn to_json(&self, timestamp_ms: i64) -> Vec<u8> {
        match self {
            Self::ReservationCreated(fact) => self.write(fact, timestamp_ms),
            Self::ReservationCancelled(fact) => self.write(fact, timestamp_ms),
            Self::PaymentCreated(fact) => self.write(fact, timestamp_ms),
            Self::PaymentCancelled(fact) => self.write(fact, timestamp_ms),
            Self::ReceiptCreated(fact) => self.write(fact, timestamp_ms),
            Self::ReceiptCancelled(fact) => self.write(fact, timestamp_ms),
        }
    }

    fn write(&self, fields: &impl Serialize, timestamp_ms: i64) -> Vec<u8> {
        let mut number = itoa::Buffer::new();
        let mut json = Vec::with_capacity(512);
        json.extend_from_slice(b"{\"eventType\":\"");
        json.extend_from_slice(self.event_type().as_bytes());
        json.extend_from_slice(b"\",\"timestamp\":");
        json.extend_from_slice(number.format(timestamp_ms).as_bytes());
        // The fields come as an object of their own: its braces give way to the commas.
        let opening = json.len();
        serde_json::to_writer(&mut json, fields).expect("numbers and text into memory cannot fail");
        json[opening] = b',';
        json.pop();
        json.extend_from_slice(b",\"status\":\"");
        json.extend_from_slice(self.status().as_str().as_bytes());
        json.extend_from_slice(b"\",\"version\":");
        json.extend_from_slice(number.format(self.version()).as_bytes());
        json.push(b'}');
        json
    }
}

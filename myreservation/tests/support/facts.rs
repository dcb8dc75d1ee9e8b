//! Facts as the producers tell them.

use events::{
    Envelope, Fact, Payment, PaymentCancelled, PaymentCreated, Purchase, Receipt, ReceiptCancelled,
    ReceiptCreated, Reservation, ReservationCancelled, ReservationCreated, reason,
};
use messaging::{ReceivedRecord, Record, TopicNames};

pub const TOPIC: &str = "prereservation";
pub const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// When reservation `id` was asked for.
pub fn asked_at(id: i64) -> i64 {
    1_662_883_009_000 + id
}

pub fn user_of(id: i64) -> i64 {
    id % 7 + 1
}

pub fn price_of(id: i64) -> i64 {
    1_000 + id % 13
}

fn purchase(id: i64) -> Purchase {
    Purchase { user_id: user_of(id), product_id: 1, product_name: "fold".into(), price: price_of(id) }
}

fn reservation(id: i64, modified_at: i64, version: i64) -> Reservation {
    Reservation {
        id,
        purchase: purchase(id),
        user_address: "seoul".into(),
        card_no: "****-****-****-1234".into(),
        created_at: asked_at(id),
        modified_at,
        version,
    }
}

fn payment(id: i64, modified_at: i64, version: i64) -> Payment {
    Payment {
        id: id + 1_000,
        pre_reservation_id: id,
        purchase: purchase(id),
        card_no: "****-****-****-1234".into(),
        created_at: asked_at(id) + 400,
        modified_at,
        version,
    }
}

fn receipt(id: i64, modified_at: i64, version: i64) -> Receipt {
    Receipt {
        id: id + 2_000,
        pre_reservation_id: id,
        payment_id: id + 1_000,
        purchase: purchase(id),
        expected_delivery_at: asked_at(id) + 400 + 21 * DAY_MS,
        created_at: asked_at(id) + 700,
        modified_at,
        version,
    }
}

/// Told when its thing was last changed.
fn told<F: Fact>(fact: F, at: i64) -> Envelope {
    Envelope::of(&fact, at).caused_by(Some(TRACEPARENT.into()))
}

pub fn reserved(id: i64) -> Envelope {
    let at = asked_at(id) + 500;
    told(ReservationCreated(reservation(id, at, 1)), at)
}

pub fn cancelled(id: i64, version: i64, reason: &str) -> Envelope {
    let at = asked_at(id) + 5_000;
    let (reservation, detail) = (reservation(id, at, version), Some("said the test".into()));
    told(ReservationCancelled { reservation, reason: reason.into(), detail }, at)
}

pub fn paid(id: i64) -> Envelope {
    let at = asked_at(id) + 400;
    told(PaymentCreated(payment(id, at, 1)), at)
}

pub fn refunded(id: i64) -> Envelope {
    let at = asked_at(id) + 5_100;
    told(PaymentCancelled(payment(id, at, 2)), at)
}

pub fn issued(id: i64) -> Envelope {
    let at = asked_at(id) + 700;
    told(ReceiptCreated(receipt(id, at, 1)), at)
}

pub fn withdrawn(id: i64) -> Envelope {
    let at = asked_at(id) + 5_200;
    told(ReceiptCancelled(receipt(id, at, 2)), at)
}

/// Everything that can be told of a reservation that was cancelled in the end.
pub fn whole_story(id: i64) -> Vec<Envelope> {
    vec![
        paid(id),
        reserved(id),
        issued(id),
        cancelled(id, 2, reason::CANCELLED_BY_CUSTOMER),
        refunded(id),
        withdrawn(id),
    ]
}

pub fn record(fact: &Envelope) -> Record {
    TopicNames::default().record(fact)
}

/// As from partition 0.
pub fn received(facts: &[Envelope]) -> Vec<ReceivedRecord> {
    (0..)
        .zip(facts)
        .map(|(offset, fact)| ReceivedRecord { partition: 0, offset, record: record(fact) })
        .collect()
}

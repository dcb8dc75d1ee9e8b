//! Facts as the producers tell them.

use events::{
    Event, PaymentCancelled, PaymentCreated, ReceiptCancelled, ReceiptCreated, ReservationCancelled,
    ReservationCreated, reason,
};
use messaging::{ReceivedRecord, Record};

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

pub fn reserved(id: i64) -> Event {
    Event::ReservationCreated(ReservationCreated {
        id,
        user_id: user_of(id),
        user_address: "seoul".into(),
        product_id: 1,
        product_name: "fold".into(),
        price: price_of(id),
        card_no: "****-****-****-1234".into(),
        created_at: asked_at(id),
        modified_at: asked_at(id) + 500,
        version: 1,
    })
}

pub fn cancelled(id: i64, version: i64, reason: &str) -> Event {
    Event::ReservationCancelled(ReservationCancelled {
        id,
        user_id: user_of(id),
        user_address: "seoul".into(),
        product_id: 1,
        product_name: "fold".into(),
        price: price_of(id),
        card_no: "****-****-****-1234".into(),
        created_at: asked_at(id),
        modified_at: asked_at(id) + 5_000,
        reason: reason.into(),
        detail: Some("said the test".into()),
        version,
    })
}

pub fn paid(id: i64) -> Event {
    Event::PaymentCreated(PaymentCreated {
        id: id + 1_000,
        pre_reservation_id: id,
        user_id: user_of(id),
        product_id: 1,
        product_name: "fold".into(),
        price: price_of(id),
        card_no: "****-****-****-1234".into(),
        created_at: asked_at(id) + 400,
        modified_at: asked_at(id) + 400,
        version: 1,
    })
}

pub fn refunded(id: i64) -> Event {
    Event::PaymentCancelled(PaymentCancelled {
        id: id + 1_000,
        pre_reservation_id: id,
        user_id: user_of(id),
        product_id: 1,
        product_name: "fold".into(),
        price: price_of(id),
        card_no: "****-****-****-1234".into(),
        created_at: asked_at(id) + 400,
        modified_at: asked_at(id) + 5_100,
        version: 2,
    })
}

pub fn issued(id: i64) -> Event {
    Event::ReceiptCreated(ReceiptCreated {
        id: id + 2_000,
        pre_reservation_id: id,
        payment_id: id + 1_000,
        user_id: user_of(id),
        product_id: 1,
        product_name: "fold".into(),
        price: price_of(id),
        expected_delivery_at: asked_at(id) + 400 + 21 * DAY_MS,
        created_at: asked_at(id) + 700,
        modified_at: asked_at(id) + 700,
        version: 1,
    })
}

pub fn withdrawn(id: i64) -> Event {
    Event::ReceiptCancelled(ReceiptCancelled {
        id: id + 2_000,
        pre_reservation_id: id,
        payment_id: id + 1_000,
        user_id: user_of(id),
        product_id: 1,
        product_name: "fold".into(),
        price: price_of(id),
        expected_delivery_at: asked_at(id) + 400 + 21 * DAY_MS,
        created_at: asked_at(id) + 700,
        modified_at: asked_at(id) + 5_200,
        version: 2,
    })
}

/// Everything that can be told of a reservation that was cancelled in the end.
pub fn whole_story(id: i64) -> Vec<Event> {
    vec![
        paid(id),
        reserved(id),
        issued(id),
        cancelled(id, 2, reason::CANCELLED_BY_CUSTOMER),
        refunded(id),
        withdrawn(id),
    ]
}

/// When a fact was told: when its thing was last changed.
pub fn told_at(event: &Event) -> i64 {
    match event {
        Event::ReservationCreated(fact) => fact.modified_at,
        Event::ReservationCancelled(fact) => fact.modified_at,
        Event::PaymentCreated(fact) => fact.modified_at,
        Event::PaymentCancelled(fact) => fact.modified_at,
        Event::ReceiptCreated(fact) => fact.modified_at,
        Event::ReceiptCancelled(fact) => fact.modified_at,
    }
}

pub fn record(event: &Event) -> Record {
    let at = told_at(event);
    Record {
        topic: TOPIC.into(),
        key: Some(event.key()),
        payload: event.to_json(at),
        headers: events::headers(event, "test", "1", at, Some(TRACEPARENT)),
        timestamp_ms: at,
    }
}

/// As from partition 0.
pub fn received(events: &[Event]) -> Vec<ReceivedRecord> {
    (0..)
        .zip(events)
        .map(|(offset, event)| ReceivedRecord { partition: 0, offset, record: record(event) })
        .collect()
}

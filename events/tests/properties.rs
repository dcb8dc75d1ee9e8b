//! For every fact: what is written is read again, also by the eyes of other releases.
#![allow(clippy::unwrap_used)]

use events::{
    Event, LARGEST_VERSION, PaymentCancelled, PaymentCreated, ReceiptCancelled, ReceiptCreated,
    ReservationCancelled, ReservationCreated, Status,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A moment until the end of 9999; 0 is kept for "not told".
fn moment() -> impl Strategy<Value = i64> {
    1..=253_402_300_799_999_i64
}

/// An id or a price.
fn count() -> impl Strategy<Value = i64> {
    1..=(1_i64 << 53) - 1
}

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace('\0', ""))
}

prop_compose! {
    fn reservation_created()(
        ids in prop::array::uniform4(count()), version in 1..=LARGEST_VERSION,
        texts in prop::array::uniform3(text()), dates in [moment(), moment()],
    ) -> ReservationCreated {
        let [id, user_id, product_id, price] = ids;
        let [user_address, product_name, card_no] = texts;
        let [created_at, modified_at] = dates;
        ReservationCreated {
            id, user_id, user_address, product_id, product_name, price, card_no, created_at,
            modified_at, version,
        }
    }
}

prop_compose! {
    fn reservation_cancelled()(
        fact in reservation_created(), reason in text(),
        detail in prop::option::of(text().prop_filter("told", |detail| !detail.is_empty())),
    ) -> ReservationCancelled {
        let ReservationCreated {
            id, user_id, user_address, product_id, product_name, price, card_no, created_at,
            modified_at, version,
        } = fact;
        ReservationCancelled {
            id, user_id, user_address, product_id, product_name, price, card_no, created_at,
            modified_at, reason, detail, version,
        }
    }
}

prop_compose! {
    fn payment_created()(
        fact in reservation_created(), id in count(),
    ) -> PaymentCreated {
        PaymentCreated {
            id, pre_reservation_id: fact.id, user_id: fact.user_id, product_id: fact.product_id,
            product_name: fact.product_name, price: fact.price, card_no: fact.card_no,
            created_at: fact.created_at, modified_at: fact.modified_at, version: fact.version,
        }
    }
}

prop_compose! {
    fn receipt_created()(
        fact in payment_created(), id in count(), expected_delivery_at in moment(),
    ) -> ReceiptCreated {
        ReceiptCreated {
            id, pre_reservation_id: fact.pre_reservation_id, payment_id: fact.id,
            user_id: fact.user_id, product_id: fact.product_id, product_name: fact.product_name,
            price: fact.price, expected_delivery_at, created_at: fact.created_at,
            modified_at: fact.modified_at, version: fact.version,
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        reservation_created().prop_map(Event::ReservationCreated),
        reservation_cancelled().prop_map(Event::ReservationCancelled),
        payment_created().prop_map(Event::PaymentCreated),
        payment_created().prop_map(|fact| Event::PaymentCancelled(PaymentCancelled {
            id: fact.id,
            pre_reservation_id: fact.pre_reservation_id,
            user_id: fact.user_id,
            product_id: fact.product_id,
            product_name: fact.product_name,
            price: fact.price,
            card_no: fact.card_no,
            created_at: fact.created_at,
            modified_at: fact.modified_at,
            version: fact.version,
        })),
        receipt_created().prop_map(Event::ReceiptCreated),
        receipt_created().prop_map(|fact| Event::ReceiptCancelled(ReceiptCancelled {
            id: fact.id,
            pre_reservation_id: fact.pre_reservation_id,
            payment_id: fact.payment_id,
            user_id: fact.user_id,
            product_id: fact.product_id,
            product_name: fact.product_name,
            price: fact.price,
            expected_delivery_at: fact.expected_delivery_at,
            created_at: fact.created_at,
            modified_at: fact.modified_at,
            version: fact.version,
        })),
    ]
}

fn tree(event: &Event, timestamp_ms: i64) -> Map<String, Value> {
    serde_json::from_slice(&event.to_json(timestamp_ms)).unwrap()
}

proptest! {
    #[test]
    fn what_is_written_is_read(event in event(), timestamp_ms in moment()) {
        let fact = Event::from_json(&event.to_json(timestamp_ms)).unwrap();
        prop_assert_eq!(&fact.event, &event);
        prop_assert_eq!(fact.timestamp_ms, timestamp_ms);
    }

    #[test]
    fn the_body_repeats_what_the_event_says(event in event(), timestamp_ms in moment()) {
        let tree = tree(&event, timestamp_ms);
        prop_assert_eq!(&tree["eventType"], &json!(event.event_type()));
        prop_assert_eq!(&tree["timestamp"], &json!(timestamp_ms));
        prop_assert_eq!(&tree["version"], &json!(event.version()));
        prop_assert_eq!(&tree["status"], &json!(event.status().as_str()));
        prop_assert_eq!(Status::parse(event.status().as_str()), Some(event.status()));
        let id = tree.get("preReservationId").unwrap_or(&tree["id"]);
        prop_assert_eq!(id.to_string(), event.key());
        prop_assert!(Event::TYPES.contains(&event.event_type()));
    }

    /// A producer that writes every number as text, in another order, with fields of its own.
    #[test]
    fn another_release_is_read_alike(
        event in event(), timestamp_ms in moment(), foreign in "x[a-zA-Z]{0,8}",
    ) {
        let mut other = Map::new();
        other.insert(foreign, json!({ "id": 1, "eventType": [null] }));
        for (name, value) in tree(&event, timestamp_ms).into_iter().rev() {
            let value = if value.is_number() { json!(value.to_string()) } else { value };
            other.insert(name, value);
        }
        let fact = Event::from_json(&serde_json::to_vec(&other).unwrap()).unwrap();
        prop_assert_eq!(&fact.event, &event);
        prop_assert_eq!(fact.timestamp_ms, timestamp_ms);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in any::<Vec<u8>>()) {
        let _ = Event::from_json(&bytes);
    }

    #[test]
    fn no_damage_makes_a_reader_panic(event in event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut json = event.to_json(0);
        let at = at.index(json.len());
        json[at] = byte;
        let _ = Event::from_json(&json);
    }
}

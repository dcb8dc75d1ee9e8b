//! For every fact: what is written is read again, also by the eyes of other releases.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;

use envelope::LARGEST_VERSION;
use events::{
    Arrived, Envelope, Fact, Payment, PaymentCancelled, PaymentCreated, Purchase, Receipt, ReceiptCancelled,
    ReceiptCreated, Reservation, ReservationCancelled, ReservationCreated, RolesChanged, UserBanned,
    UserSignedUp, UserUnbanned,
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
    fn reservation()(
        ids in prop::array::uniform4(count()), version in 1..=LARGEST_VERSION,
        texts in prop::array::uniform3(text()), dates in [moment(), moment()],
    ) -> Reservation {
        let [id, user_id, product_id, price] = ids;
        let [user_address, product_name, card_no] = texts;
        let [created_at, modified_at] = dates;
        let purchase = Purchase { user_id, product_id, product_name, price };
        Reservation { id, purchase, user_address, card_no, created_at, modified_at, version }
    }
}

/// One of each type, about the same purchase and the same user.
#[derive(Clone, Debug)]
struct Facts(
    ReservationCreated,
    ReservationCancelled,
    PaymentCreated,
    PaymentCancelled,
    ReceiptCreated,
    ReceiptCancelled,
    UserSignedUp,
    RolesChanged,
    UserBanned,
    UserUnbanned,
);

prop_compose! {
    fn facts()(
        reservation in reservation(), reason in text(), ids in [count(), count()], expected_delivery_at in moment(),
        detail in prop::option::of(text().prop_filter("told", |detail| !detail.is_empty())),
        roles in prop::collection::vec(text(), 0..4), not_before in moment(),
    ) -> Facts {
        let Reservation { id: pre_reservation_id, purchase, card_no, created_at, modified_at, version, .. } =
            reservation.clone();
        let [id, payment_id] = ids;
        let user_id = purchase.user_id;
        let payment = Payment {
            id: payment_id, pre_reservation_id, purchase: purchase.clone(), card_no, created_at, modified_at, version,
        };
        let receipt = Receipt {
            id, pre_reservation_id, payment_id, purchase, expected_delivery_at, created_at, modified_at, version,
        };
        Facts(
            ReservationCreated(reservation.clone()),
            ReservationCancelled { reservation, reason, detail },
            PaymentCreated(payment.clone()),
            PaymentCancelled(payment),
            ReceiptCreated(receipt.clone()),
            ReceiptCancelled(receipt),
            UserSignedUp { user_id, roles: roles.clone(), version },
            RolesChanged { user_id, roles, version },
            UserBanned { user_id, not_before, version },
            UserUnbanned { user_id, version },
        )
    }
}

fn tree(envelope: &Envelope) -> Map<String, Value> {
    serde_json::from_slice(&envelope.payload).unwrap()
}

fn what_is_written_is_read<F: Fact + Debug + PartialEq>(fact: &F, at: i64) -> Result<(), TestCaseError> {
    let envelope = Envelope::of(fact, at);
    for arrived in [envelope.arrived(), Arrived::new(&[], &envelope.payload).unwrap()] {
        prop_assert_eq!(arrived.fact_type(), F::TYPE);
        let (read, timestamp_ms) = arrived.read_told::<F>().unwrap();
        prop_assert_eq!((&read, timestamp_ms), (fact, at));
    }
    Ok(())
}

fn the_body_repeats_what_the_fact_says<F: Fact>(fact: &F, at: i64) -> Result<(), TestCaseError> {
    let tree = tree(&Envelope::of(fact, at));
    prop_assert_eq!(&tree["eventType"], &json!(F::TYPE));
    prop_assert_eq!(&tree["timestamp"], &json!(at));
    prop_assert_eq!(&tree["version"], &json!(fact.version()));
    prop_assert_eq!(&tree["status"], &json!(F::STATUS));
    let id = tree.get("preReservationId").or(tree.get("id")).unwrap_or(&tree["userId"]);
    prop_assert_eq!(id.to_string(), fact.key());
    Ok(())
}

/// A producer that writes every number as text, in another order, with fields of its own.
fn another_release_is_read_alike<F: Fact + Debug + PartialEq>(
    fact: &F,
    at: i64,
    foreign: &str,
) -> Result<(), TestCaseError> {
    let mut other = Map::new();
    other.insert(foreign.to_owned(), json!({ "id": 1, "eventType": [null] }));
    for (name, value) in tree(&Envelope::of(fact, at)).into_iter().rev() {
        let value = if value.is_number() { json!(value.to_string()) } else { value };
        other.insert(name, value);
    }
    let json = serde_json::to_vec(&other).unwrap();
    let (read, timestamp_ms) = Arrived::new(&[], &json).unwrap().read_told::<F>().unwrap();
    prop_assert_eq!((&read, timestamp_ms), (fact, at));
    Ok(())
}

/// For each of the ten.
macro_rules! for_each {
    ($facts:expr, $check:ident($($argument:expr),*)) => {{
        let facts = $facts;
        $check(&facts.0 $(, $argument)*)?;
        $check(&facts.1 $(, $argument)*)?;
        $check(&facts.2 $(, $argument)*)?;
        $check(&facts.3 $(, $argument)*)?;
        $check(&facts.4 $(, $argument)*)?;
        $check(&facts.5 $(, $argument)*)?;
        $check(&facts.6 $(, $argument)*)?;
        $check(&facts.7 $(, $argument)*)?;
        $check(&facts.8 $(, $argument)*)?;
        $check(&facts.9 $(, $argument)*)?;
    }};
}

proptest! {
    #[test]
    fn written_and_read(facts in facts(), at in moment()) {
        for_each!(facts, what_is_written_is_read(at));
    }

    #[test]
    fn type_key_status_and_version(facts in facts(), at in moment()) {
        for_each!(facts, the_body_repeats_what_the_fact_says(at));
    }

    #[test]
    fn another_release(facts in facts(), at in moment(), foreign in "x[a-zA-Z]{0,8}") {
        for_each!(facts, another_release_is_read_alike(at, &foreign));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in any::<Vec<u8>>()) {
        if let Ok(arrived) = Arrived::new(&[], &bytes) {
            let _ = arrived.read::<PaymentCreated>();
        }
    }

    #[test]
    fn no_damage_makes_a_reader_panic(facts in facts(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut json = Envelope::of(&facts.1, 0).payload;
        let at = at.index(json.len());
        json[at] = byte;
        if let Ok(arrived) = Arrived::new(&[], &json) {
            let _ = arrived.read::<ReservationCancelled>();
        }
    }
}

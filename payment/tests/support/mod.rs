//! What the tests of this crate share: databases to run on, and a whole service bound to a free port.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

pub mod app;
pub mod backend;

use payment::domain::{CardNumber, Change, Order, Transition};

pub const CARD: &str = "1234-1234-1234-1234";

pub fn order(reservation_id: i64) -> Order {
    Order {
        reservation_id,
        user_id: 1,
        product_id: 1,
        product_name: "fold".into(),
        price: 1_300_000,
        card: card().masked(),
    }
}

pub fn card() -> CardNumber {
    CardNumber::parse(CARD).unwrap()
}

pub fn applied(transition: Transition) -> Change {
    match transition {
        Transition::Applied(change) => change,
        other => panic!("expected a change, found {other:?}"),
    }
}

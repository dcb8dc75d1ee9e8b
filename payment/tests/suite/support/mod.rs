//! What the tests of this crate share: databases to run on, and a whole service bound to a free port.

pub(crate) mod app;
pub(crate) mod backend;

use payment::domain::{CardNumber, Change, Order, Transition};

pub(crate) const CARD: &str = "1234-1234-1234-1234";

pub(crate) fn order(reservation_id: i64) -> Order {
    Order {
        reservation_id,
        user_id: 1,
        product_id: 1,
        product_name: "fold".into(),
        price: 1_300_000,
        card: card().masked(),
    }
}

pub(crate) fn card() -> CardNumber {
    CardNumber::parse(CARD).unwrap()
}

pub(crate) fn applied(transition: Transition) -> Change {
    match transition {
        Transition::Applied(change) => change,
        other => panic!("expected a change, found {other:?}"),
    }
}

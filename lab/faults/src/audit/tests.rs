//! The auditor is audited: each way to break a promise is done to sound books, and must be found.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::orders::{Book, Habits, Oddity};
use crate::snapshot::Priced;

const STANDS: i64 = 1;
const CANCELLED: i64 = 2;

fn fact(offset: i64, reservation: i64, kind: &str, version: i64) -> Fact {
    Fact {
        partition: 0,
        offset,
        key: reservation.to_string(),
        name: format!("{kind}/{reservation}"),
        kind: kind.to_owned(),
        reservation,
        version,
        payload: format!("{kind} {reservation}").into_bytes(),
    }
}

/// Two orders: the first stands, the second was cancelled and refunded.
fn sound() -> (Book, Snapshot) {
    let book = Book::new(1, Habits::default());
    let mut snapshot = Snapshot::default();
    for (id, number, cancelled) in [(STANDS, 1, false), (CANCELLED, 2, true)] {
        let order = book.open(number);
        book.told(number, Told::Reserved, Some(id));
        let states = if cancelled {
            ["reservation_cancelled", "payment_cancelled", "receipt_cancelled"]
        } else {
            ["reservated", "paid", "receipt_issued"]
        };
        let [reservation, payment, receipt] = states.map(str::to_owned);
        let priced = |status: &String| Priced { price: order.price, status: status.clone() };
        snapshot.reservations.insert(id, priced(&reservation));
        snapshot.payments.insert(id, priced(&payment));
        snapshot.receipts.insert(id, priced(&receipt));
        snapshot.keys.insert(order.key.clone(), id);
        let charge = Entry { kind: "charge".to_owned(), amount: order.price };
        let entries = snapshot.ledger.entry(ledger_key(id)).or_default();
        entries.push(charge);
        if cancelled {
            entries.push(Entry { kind: "refund".to_owned(), amount: order.price });
            book.cancel_asked(id);
            book.cancel_answered(id, "204", true, None);
        }
        snapshot.view.insert(id, View { price: order.price, reservation, payment, receipt });
        for (kind, version) in [("ReservationCreated", 1), ("PaymentCreated", 1), ("ReceiptCreated", 1)] {
            let offset = snapshot.facts.len() as i64;
            snapshot.facts.push(fact(offset, id, kind, version));
        }
    }
    for kind in ["ReservationCancelled", "PaymentCancelled", "ReceiptCancelled"] {
        let offset = snapshot.facts.len() as i64;
        snapshot.facts.push(fact(offset, CANCELLED, kind, 2));
    }
    // A relay that died between telling and remembering tells again.
    snapshot.facts.push(snapshot.facts[0].clone());
    (book, snapshot)
}

/// The kinds that are found after something was done to sound books.
fn found(damage: impl FnOnce(&mut Pages, &mut Snapshot)) -> Vec<Kind> {
    let (book, mut snapshot) = sound();
    let mut pages = book.pages();
    damage(&mut pages, &mut snapshot);
    audit(&pages, &snapshot).into_iter().map(|violation| violation.kind).collect()
}

#[test]
fn sound_books_are_sound() {
    assert_eq!(found(|_, _| {}), []);
}

#[test]
fn whatever_is_missing_is_found() {
    assert!(found(|_, s| drop(s.reservations.remove(&STANDS))).contains(&Kind::Lost));
    assert!(found(|_, s| drop(s.payments.remove(&STANDS))).contains(&Kind::Lost));
    assert!(found(|_, s| drop(s.receipts.remove(&STANDS))).contains(&Kind::Lost));
    assert!(found(|_, s| drop(s.view.remove(&STANDS))).contains(&Kind::Lost));
    assert!(found(|_, s| drop(s.ledger.remove(&ledger_key(STANDS)))).contains(&Kind::Lost));
    assert!(found(|p, _| p.cancels.clear()).contains(&Kind::Lost));
}

#[test]
fn whatever_is_there_twice_is_found() {
    let twice = found(|_, s| {
        let entries = s.ledger.get_mut(&ledger_key(STANDS)).unwrap();
        entries.push(entries[0].clone());
    });
    assert!(twice.contains(&Kind::Doubled) && twice.contains(&Kind::Broken));
    let again = found(|_, s| drop(s.reservations.insert(3, s.reservations[&STANDS].clone())));
    assert!(again.contains(&Kind::Doubled));
    let told = found(|_, s| {
        let mut fact = s.facts[0].clone();
        fact.name.push_str(" again");
        s.facts.push(fact);
    });
    assert_eq!(told, [Kind::Doubled]);
    assert!(found(|_, s| s.keys.values_mut().for_each(|id| *id = CANCELLED)).contains(&Kind::Doubled));
}

#[test]
fn money_kept_for_what_was_cancelled_is_found() {
    let kept = found(|_, s| drop(s.ledger.get_mut(&ledger_key(CANCELLED)).unwrap().pop()));
    assert!(kept.contains(&Kind::ChargedAndCancelled) && kept.contains(&Kind::Broken));
    let paid = found(|_, s| s.payments.get_mut(&CANCELLED).unwrap().status = "paid".to_owned());
    assert_eq!(paid, [Kind::ChargedAndCancelled]);
    let stands = found(|p, _| p.cancels.entry(STANDS).or_default().confirmed = true);
    assert_eq!(stands, [Kind::ChargedAndCancelled]);
}

#[test]
fn what_does_not_end_is_found() {
    assert!(
        found(|_, s| s.reservations.get_mut(&STANDS).unwrap().status = "pending".into())
            .contains(&Kind::Open)
    );
    assert!(
        found(|_, s| s.payments.get_mut(&CANCELLED).unwrap().status = "refunding".into())
            .contains(&Kind::Open)
    );
    assert_eq!(found(|_, s| s.unfinished.push("payment: 1 rows in outbox".into())), [Kind::Open]);
    assert_eq!(
        found(|p, _| {
            let mut entry = p.orders[&1].clone();
            (entry.told, entry.id, entry.order.number) = (Told::Nothing, None, 3);
            p.orders.insert(3, entry);
        }),
        [Kind::Open]
    );
}

#[test]
fn a_topic_out_of_order_is_found() {
    // The cancellation before what it cancels.
    let swapped = found(|_, s| s.facts.swap(3, 6));
    assert!(swapped.contains(&Kind::Broken));
    let moved = found(|_, s| s.facts[2].partition = 1);
    assert_eq!(moved, [Kind::Broken]);
    let changed = found(|_, s| s.facts.last_mut().unwrap().payload.push(b'!'));
    assert_eq!(changed, [Kind::Broken]);
    // A receipt before its payment.
    assert!(found(|_, s| s.facts.swap(1, 2)).contains(&Kind::Broken));
}

#[test]
fn everything_else_is_found() {
    assert_eq!(found(|_, s| s.cards.push("receipt.db".into())), [Kind::Broken]);
    assert_eq!(found(|_, s| s.totals.push(("payment".into(), 2, 1))), [Kind::Broken]);
    assert_eq!(found(|p, _| p.stalled = Some("nothing for 60 s".into())), [Kind::Stalled]);
    let odd = Oddity { order: None, id: None, what: "answered 201, then not found".into() };
    assert_eq!(found(|p, _| p.oddities.push(odd)), [Kind::Broken]);
    assert!(
        found(|_, s| s.receipts.get_mut(&CANCELLED).unwrap().status = "receipt_issued".into())
            .contains(&Kind::Broken)
    );
    assert!(
        found(|_, s| s.view.get_mut(&CANCELLED).unwrap().payment = "paid".into()).contains(&Kind::Broken)
    );
}

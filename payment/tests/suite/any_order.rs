//! Any order and any repetition of charge, cancellation, refund and their answers ends in the same state.
//!
//! The world is small enough to be modelled: the payment's row, the card network's ledger (keeping the obligations
//! of `PaymentProvider`), and what is under way between them. Every message may be repeated, overtaken, or never
//! arrive. It has so few states that all interleavings can be walked; random ones are longer.

use events::{Fact, PaymentCancelled, PaymentCreated};
use std::collections::{BTreeSet, HashSet};

use payment::domain::{
    CardNumber, Change, ChargeAnswer, Decline, Order, Payment, RefundAnswer, Status, Transition,
};
use proptest::prelude::*;

/// What the ledger holds under the one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ledger {
    Empty,
    Charged,
    Declined,
    Tombstone,
    Refunded,
}

/// Under way. Delivering one leaves it where it is: everything may come twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Message {
    Charge,
    Refund,
    Charged,
    Declined,
    Undone,
    Refunded,
    NothingCharged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Row {
    Absent,
    Tombstone,
    Stored,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    bank_declines: bool,
    row: Row,
    payment: Payment,
    ledger: Ledger,
    under_way: BTreeSet<Message>,
    cancelled: bool,
    /// How often the ledger took money; it must never be twice.
    charges: u8,
    created_told: u8,
    cancelled_told: u8,
}

/// Whatever can happen next.
#[derive(Clone, Debug)]
enum Step {
    Post,
    Cancel,
    /// The refund worker sees the row.
    Work,
    Deliver(Message),
}

impl World {
    fn new(bank_declines: bool) -> Self {
        let order = Order {
            reservation_id: 7,
            user_id: 1,
            product_id: 1,
            product_name: "fold".into(),
            price: 1_300_000,
            card: CardNumber::parse("1234-1234-1234-1234").unwrap().masked(),
        };
        Self {
            bank_declines,
            row: Row::Absent,
            payment: Payment::charging(5, order, 0),
            ledger: Ledger::Empty,
            under_way: BTreeSet::new(),
            cancelled: false,
            charges: 0,
            created_told: 0,
            cancelled_told: 0,
        }
    }

    fn possible(&self) -> Vec<Step> {
        let mut steps = vec![Step::Post, Step::Cancel, Step::Work];
        steps.extend(self.under_way.iter().cloned().map(Step::Deliver));
        steps
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Post => self.post(),
            Step::Cancel => self.cancel(),
            Step::Work if self.row == Row::Stored && self.payment.status() == Status::Refunding => {
                self.under_way.insert(Message::Refund);
            }
            Step::Work => {}
            Step::Deliver(message) => self.deliver(message),
        }
        self.check();
    }

    fn post(&mut self) {
        match self.row {
            Row::Absent => {
                self.row = Row::Stored;
                self.under_way.insert(Message::Charge);
            }
            Row::Stored if self.payment.status() == Status::Charging => {
                self.under_way.insert(Message::Charge);
            }
            Row::Stored | Row::Tombstone => {}
        }
    }

    fn cancel(&mut self) {
        self.cancelled = true;
        match self.row {
            Row::Absent => self.row = Row::Tombstone,
            Row::Stored => self.apply(self.payment.cancel(1)),
            Row::Tombstone => {}
        }
    }

    fn deliver(&mut self, message: &Message) {
        let transition = match message {
            Message::Charge => return self.network_charges(),
            Message::Refund => return self.network_refunds(),
            Message::Charged => self.payment.charge_answered(&ChargeAnswer::Charged, 1),
            Message::Declined => self.payment.charge_answered(&ChargeAnswer::Declined(decline()), 1),
            Message::Undone => self.payment.charge_answered(&ChargeAnswer::Undone, 1),
            Message::Refunded => self.payment.refund_answered(RefundAnswer::Refunded, 1),
            Message::NothingCharged => self.payment.refund_answered(RefundAnswer::NothingCharged, 1),
        };
        self.apply(transition);
    }

    fn network_charges(&mut self) {
        if self.ledger == Ledger::Empty {
            self.ledger = if self.bank_declines { Ledger::Declined } else { Ledger::Charged };
            self.charges += u8::from(!self.bank_declines);
        }
        self.under_way.insert(match self.ledger {
            Ledger::Declined => Message::Declined,
            Ledger::Tombstone | Ledger::Refunded => Message::Undone,
            Ledger::Charged | Ledger::Empty => Message::Charged,
        });
    }

    fn network_refunds(&mut self) {
        self.ledger = match self.ledger {
            Ledger::Empty => Ledger::Tombstone,
            Ledger::Charged => Ledger::Refunded,
            same => same,
        };
        self.under_way.insert(match self.ledger {
            Ledger::Refunded => Message::Refunded,
            _ => Message::NothingCharged,
        });
    }

    fn apply(&mut self, transition: Transition) {
        let Transition::Applied(change) = transition else { return };
        self.note(&change);
        assert_eq!(change.before(), self.payment.status());
        self.payment = change.into_after();
    }

    fn note(&mut self, change: &Change) {
        for fact in change.facts() {
            match fact.fact_type {
                PaymentCreated::TYPE => self.created_told += 1,
                PaymentCancelled::TYPE => self.cancelled_told += 1,
                other => panic!("payment does not tell {other}"),
            }
            assert_eq!(fact.version, change.after().version);
            assert_eq!(fact.status, change.after().status().as_str());
        }
        let told = i64::try_from(change.facts().len()).unwrap();
        assert_eq!(change.after().version, self.payment.version + told, "versions count facts");
    }

    /// Holds at every moment.
    fn check(&self) {
        assert!(self.charges <= 1, "charged twice: {self:?}");
        assert!(self.created_told <= 1 && self.cancelled_told <= 1, "a fact was told twice: {self:?}");
        let status = self.payment.status();
        if status == Status::Paid {
            assert!(!self.cancelled, "paid and cancelled: {self:?}");
            assert_eq!(self.ledger, Ledger::Charged, "paid without a charge: {self:?}");
        }
        if matches!(status, Status::Cancelled | Status::Void) || self.row == Row::Tombstone {
            assert_ne!(self.ledger, Ledger::Charged, "undone, and the charge stands: {self:?}");
        }
        if self.cancelled_told > 0 {
            assert_eq!(status, Status::Cancelled);
        }
    }

    /// Delivers what is under way and lets the worker work, until nothing changes any more.
    fn come_to_rest(mut self) -> Self {
        loop {
            let before = self.clone();
            for step in [self.possible(), vec![Step::Work]].concat() {
                if !matches!(step, Step::Post | Step::Cancel) {
                    self.take(&step);
                }
            }
            if self == before {
                return self;
            }
        }
    }

    /// What is left depends on what happened, not on the order in which it was heard.
    fn check_end(&self) {
        let expected = match (self.row, self.cancelled, self.ledger) {
            (Row::Absent, ..) | (Row::Tombstone, ..) => {
                assert_eq!(self.ledger, Ledger::Empty, "{self:?}");
                return;
            }
            (Row::Stored, false, Ledger::Charged) => Status::Paid,
            (Row::Stored, false, Ledger::Declined) => Status::Declined,
            (Row::Stored, false, _) => Status::Charging,
            (Row::Stored, true, Ledger::Refunded) => Status::Cancelled,
            (Row::Stored, true, Ledger::Declined | Ledger::Tombstone) => Status::Void,
            (Row::Stored, true, Ledger::Charged | Ledger::Empty) => {
                panic!("cancelled, and not undone: {self:?}")
            }
        };
        assert_eq!(self.payment.status(), expected, "{self:?}");
    }
}

fn decline() -> Decline {
    Decline { code: "insufficient_funds".into(), message: "no".into() }
}

#[test]
fn every_interleaving() {
    let mut reached = HashSet::new();
    for bank_declines in [false, true] {
        let mut seen = HashSet::new();
        let mut open = vec![World::new(bank_declines)];
        while let Some(world) = open.pop() {
            for step in world.possible() {
                let mut next = world.clone();
                next.take(&step);
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        reached.extend(seen.iter().map(|world: &World| world.payment.status()));
        for world in seen {
            world.come_to_rest().check_end();
        }
    }
    assert_eq!(reached, HashSet::from(Status::ALL), "the walk does not go everywhere");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn long_random_histories(
        bank_declines in any::<bool>(),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let mut world = World::new(bank_declines);
        for choice in choices {
            let steps = world.possible();
            world.take(&steps[choice.index(steps.len())]);
        }
        world.come_to_rest().check_end();
    }

    /// Also answers that contradict each other, which an honest network never gives, lead to no panic, to no
    /// second telling, and never back from cancelled to paid.
    #[test]
    fn a_dishonest_network(answers in prop::collection::vec(0..6_u8, 0..20)) {
        let mut payment = World::new(false).payment;
        let mut told = 0;
        let mut was_cancelled = false;
        for answer in answers {
            let transition = match answer {
                0 => payment.charge_answered(&ChargeAnswer::Charged, 1),
                1 => payment.charge_answered(&ChargeAnswer::Declined(decline()), 1),
                2 => payment.charge_answered(&ChargeAnswer::Undone, 1),
                3 => payment.refund_answered(RefundAnswer::Refunded, 1),
                4 => payment.refund_answered(RefundAnswer::NothingCharged, 1),
                _ => { was_cancelled = true; payment.cancel(1) }
            };
            if let Transition::Applied(change) = transition {
                told += change.facts().len();
                payment = change.into_after();
            }
            prop_assert_eq!(i64::try_from(told).unwrap(), payment.version);
            prop_assert!(told <= 2);
            prop_assert!(!(was_cancelled && payment.status() == Status::Paid));
        }
    }
}

//! One reservation, everywhere.

use std::hash::{Hash, Hasher};

use events::Envelope;
use myreservation::domain::Changes;
use payment::domain::{ChargeAnswer, MaskedCard, Order, Payment};
use prereservation::domain::{NewReservation, Reservation};
use receipt::domain::Receipt;

pub(crate) const ID: i64 = 7;
/// Clocks decide nothing, so one moment is enough.
pub(crate) const NOW: i64 = 1_000;

/// How much may go wrong in one life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Requests of the customer to cancel.
    pub(crate) cancels: u8,
    /// Ends of the process that waits for payment, or of the one that waits for the card network.
    pub(crate) crashes: u8,
    /// Answers that do not arrive.
    pub(crate) lost_answers: u8,
    /// Records that are told again, or delivered again.
    pub(crate) repeats: u8,
    /// Whether the bank may say no.
    pub(crate) declines: bool,
}

/// What the services would be without one of their rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// payment forgets a cancellation that comes before the charge.
    NoTombstoneAtPayment,
    /// receipt forgets one that comes before the payment.
    NoTombstoneAtReceipt,
    /// A refund of nothing does not bar the charge that is still under way.
    LateChargeIsNotBarred,
    /// Nobody ends a reservation whose process died.
    NoTakeOver,
    /// What was told last is published first.
    OutOfOrder,
    /// Records are removed from the outbox before the log has them.
    RemovedBeforePublished,
    /// A cancellation does not reach the card network.
    NoRefund,
}

impl Broken {
    pub(crate) const ALL: [Self; 7] = [
        Self::NoTombstoneAtPayment,
        Self::NoTombstoneAtReceipt,
        Self::LateChargeIsNotBarred,
        Self::NoTakeOver,
        Self::OutOfOrder,
        Self::RemovedBeforePublished,
        Self::NoRefund,
    ];
}

pub(crate) struct Life {
    pub(crate) bounds: Bounds,
    pub(crate) broken: Option<Broken>,
}

impl Life {
    pub(crate) fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }
}

/// The request that waits for its payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// The intent is on disk, payment was not asked yet.
    NotYet,
    /// payment was asked and has not answered.
    Waiting,
    /// Answered, or given up.
    Over,
}

/// payment's request that waits for the card network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Charging {
    No,
    /// Under way to the network; somebody waits for the answer, or nobody does any more.
    Asked {
        awaited: bool,
    },
    Answered(ChargeAnswer),
}

/// What the card network has in its books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Books {
    Nothing,
    Charged,
    Declined,
    Refunded,
    /// A refund came before the charge, and bars it.
    Barred,
}

/// Who tells facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Producer {
    Prereservation,
    Payment,
    Receipt,
}

/// Who reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consumer {
    Payment,
    Receipt,
    View,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) reservation: Reservation,
    pub(crate) asking: Asking,
    pub(crate) payment: Option<Payment>,
    pub(crate) charging: Charging,
    pub(crate) books: Books,
    /// How often money moved from the card.
    pub(crate) taken: u8,
    pub(crate) receipt: Option<Receipt>,
    pub(crate) view: Changes,
    /// By producer.
    pub(crate) outboxes: [Vec<Envelope>; 3],
    /// The partition of this reservation.
    pub(crate) log: Vec<Envelope>,
    /// By consumer.
    pub(crate) positions: [usize; 3],
    pub(crate) cancels: u8,
    pub(crate) crashes: u8,
    pub(crate) lost_answers: u8,
    pub(crate) repeats: u8,
}

/// What distinguishes two lives: identities, prices and moments are the same in all of them, and a fact is known by its
/// type and version. The domains' own types need no hash.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let fact = |fact: &Envelope| (fact.fact_type, fact.version);
        let facts = |facts: &[Envelope]| facts.iter().map(fact).collect::<Vec<_>>();
        let reservation = &self.reservation;
        (reservation.status.as_str(), reservation.version, reservation.cancel_reason.map(|why| why.as_str()))
            .hash(state);
        (self.asking as u8, self.books as u8, self.taken).hash(state);
        self.payment.as_ref().map(|payment| (payment.status(), payment.version)).hash(state);
        match &self.charging {
            Charging::No => 0_u8.hash(state),
            Charging::Asked { awaited } => (1_u8, awaited).hash(state),
            Charging::Answered(answer) => (2_u8, answer).hash(state),
        }
        self.receipt.as_ref().map(|receipt| (receipt.status.as_str(), receipt.version)).hash(state);
        let Changes { reservation, payment, receipt } = &self.view;
        reservation.as_ref().map(|(facet, _)| (facet.version, facet.status)).hash(state);
        payment.as_ref().map(|(facet, _)| (facet.version, facet.status)).hash(state);
        receipt.as_ref().map(|(facet, _)| (facet.version, facet.status)).hash(state);
        self.outboxes.each_ref().map(|outbox| facts(outbox)).hash(state);
        facts(&self.log).hash(state);
        self.positions.hash(state);
        (self.cancels, self.crashes, self.lost_answers, self.repeats).hash(state);
    }
}

impl World {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let details = NewReservation {
            user_id: 1,
            user_address: "seoul".into(),
            product_id: 1,
            product_name: "fold".into(),
            price: 1_300_000,
            masked_card: "****-****-****-1234".into(),
        };
        Self {
            reservation: Reservation::pending(ID, details, NOW),
            asking: Asking::NotYet,
            payment: None,
            charging: Charging::No,
            books: Books::Nothing,
            taken: 0,
            receipt: None,
            view: Changes::default(),
            outboxes: Default::default(),
            log: Vec::new(),
            positions: [0; 3],
            cancels: bounds.cancels,
            crashes: bounds.crashes,
            lost_answers: bounds.lost_answers,
            repeats: bounds.repeats,
        }
    }

    pub(crate) fn order(&self) -> Order {
        let details = &self.reservation.details;
        Order {
            reservation_id: ID,
            user_id: details.user_id,
            product_id: details.product_id,
            product_name: details.product_name.clone(),
            price: details.price,
            card: MaskedCard::of(&details.masked_card),
        }
    }

    /// Whether money of the customer is with us.
    pub(crate) fn is_charged(&self) -> bool {
        self.books == Books::Charged
    }
}

use std::fmt;

use events::{Envelope, Fact, PaymentCancelled, PaymentCreated, Purchase};

use crate::domain::{ChargeAnswer, Decline, Order, RefundAnswer};

/// The payment of one reservation.
///
/// ```text
///            charged             cancelled              refunded
/// charging ----------> paid ---------------> refunding ---------> payment_cancelled
///    |  |                                     ^     |
///    |  +---------------- cancelled ----------+     | nothing was charged
///    |  declined              cancelled             v
///    +----------> declined ---------------------> void <--- cancelled before anything was asked
/// ```
///
/// Only `paid` is shown to clients. `void` and `payment_cancelled` are tombstones: they stay for ever, so that
/// a charge that comes late finds out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Payment {
    pub id: i64,
    pub order: Order,
    pub state: State,
    /// How many facts were published about it.
    pub version: i64,
    /// Epoch milliseconds: when the card was charged; until then, when it was asked for.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub modified_at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The intent: it is on disk before any money moves.
    Charging,
    Paid,
    /// The bank said no; remembered for repetitions.
    Declined(Decline),
    /// Cancelled, and the card network has yet to undo whatever it did.
    Refunding,
    Cancelled,
    /// Cancelled, and no money ever moved.
    Void,
}

/// A [`State`] without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    Charging,
    Paid,
    Declined,
    Refunding,
    Cancelled,
    Void,
}

impl Status {
    pub const ALL: [Self; 6] =
        [Self::Charging, Self::Paid, Self::Declined, Self::Refunding, Self::Cancelled, Self::Void];

    /// As it stands in the database, and in JSON where it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Charging => "charging",
            Self::Paid => PaymentCreated::STATUS,
            Self::Declined => "declined",
            Self::Refunding => "refunding",
            Self::Cancelled => PaymentCancelled::STATUS,
            Self::Void => "void",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl State {
    pub fn status(&self) -> Status {
        match self {
            Self::Charging => Status::Charging,
            Self::Paid => Status::Paid,
            Self::Declined(_) => Status::Declined,
            Self::Refunding => Status::Refunding,
            Self::Cancelled => Status::Cancelled,
            Self::Void => Status::Void,
        }
    }
}

/// What a transition gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Something is different now.
    Applied(Change),
    /// It was so before. A repeated message is no error.
    AlreadyApplied,
    /// It cannot be, and nothing is different.
    Refused(Refusal),
}

/// Why a transition cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The payment is being undone, or is undone: the answer changes nothing.
    #[error("the payment was cancelled")]
    Cancelled,
    /// The card network contradicts its first answer; the first one counts.
    #[error("the answer contradicts an earlier one")]
    Contradiction,
    /// Nobody asked for a refund.
    #[error("no refund was asked for")]
    NotRefunding,
}

/// A new state together with the facts that tell of it. Only a transition makes one, and a store takes
/// nothing else: saving without publishing cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    before: Status,
    after: Payment,
    facts: Vec<Envelope>,
}

impl Change {
    /// The status that the store has to find. If it finds another one, another request has changed the payment.
    pub fn before(&self) -> Status {
        self.before
    }

    pub fn after(&self) -> &Payment {
        &self.after
    }

    pub fn into_after(self) -> Payment {
        self.after
    }

    pub fn facts(&self) -> &[Envelope] {
        &self.facts
    }
}

impl Payment {
    /// The intent to charge, as the store has just numbered it.
    pub fn charging(id: i64, order: Order, now: i64) -> Self {
        Self { id, order, state: State::Charging, version: 0, created_at: now, modified_at: now }
    }

    /// Of a reservation that was cancelled before anybody asked for its charge; not numbered yet.
    pub fn tombstone(order: Order, now: i64) -> Self {
        Self { state: State::Void, ..Self::charging(0, order, now) }
    }

    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// The card network answered the charge.
    pub fn charge_answered(&self, answer: &ChargeAnswer, now: i64) -> Transition {
        match (&self.state, answer) {
            (State::Charging, ChargeAnswer::Charged) => {
                let paid = Self { created_at: now, ..self.with_fact(State::Paid, now) };
                let created = paid.created();
                self.applied(paid, vec![created])
            }
            (State::Charging, ChargeAnswer::Declined(decline)) => {
                self.applied(self.without_fact(State::Declined(decline.clone()), now), vec![])
            }
            (State::Charging, ChargeAnswer::Undone) => {
                self.applied(self.without_fact(State::Void, now), vec![])
            }
            // The network had said that nothing was charged nor ever would be. Whatever went wrong there, the
            // customer gets the money back.
            (State::Void, ChargeAnswer::Charged) => {
                self.applied(self.without_fact(State::Refunding, now), vec![])
            }
            (State::Paid, ChargeAnswer::Charged)
            | (State::Declined(_), ChargeAnswer::Declined(_))
            | (State::Cancelled | State::Void, ChargeAnswer::Undone) => Transition::AlreadyApplied,
            (State::Paid, ChargeAnswer::Declined(_) | ChargeAnswer::Undone)
            | (State::Declined(_), ChargeAnswer::Charged | ChargeAnswer::Undone) => {
                Transition::Refused(Refusal::Contradiction)
            }
            (State::Refunding, _)
            | (State::Cancelled, ChargeAnswer::Charged | ChargeAnswer::Declined(_))
            | (State::Void, ChargeAnswer::Declined(_)) => Transition::Refused(Refusal::Cancelled),
        }
    }

    /// The reservation was cancelled, or nobody is waiting for this charge any more.
    pub fn cancel(&self, now: i64) -> Transition {
        match &self.state {
            // A charge may be under way just now; only the card network can tell.
            State::Charging | State::Paid => self.applied(self.without_fact(State::Refunding, now), vec![]),
            State::Declined(_) => self.applied(self.without_fact(State::Void, now), vec![]),
            State::Refunding | State::Cancelled | State::Void => Transition::AlreadyApplied,
        }
    }

    /// The card network answered the refund.
    pub fn refund_answered(&self, answer: RefundAnswer, now: i64) -> Transition {
        match (&self.state, answer) {
            // No fact has told of this payment, and no money moved: no fact follows.
            (State::Refunding, RefundAnswer::NothingCharged) if self.version == 0 => {
                self.applied(self.without_fact(State::Void, now), vec![])
            }
            (State::Refunding, RefundAnswer::Refunded | RefundAnswer::NothingCharged) => {
                let cancelled = self.with_fact(State::Cancelled, now);
                let fact = cancelled.cancelled();
                self.applied(cancelled, vec![fact])
            }
            (State::Cancelled, RefundAnswer::Refunded) | (State::Void, RefundAnswer::NothingCharged) => {
                Transition::AlreadyApplied
            }
            (State::Cancelled, RefundAnswer::NothingCharged) | (State::Void, RefundAnswer::Refunded) => {
                Transition::Refused(Refusal::Contradiction)
            }
            (State::Charging | State::Paid | State::Declined(_), _) => {
                Transition::Refused(Refusal::NotRefunding)
            }
        }
    }

    /// The next state, one that a fact tells of.
    fn with_fact(&self, state: State, now: i64) -> Self {
        Self { version: self.version + 1, ..self.without_fact(state, now) }
    }

    fn without_fact(&self, state: State, now: i64) -> Self {
        // A clock that was set back must not make a payment end before it began.
        Self { state, modified_at: now.max(self.created_at), ..self.clone() }
    }

    fn applied(&self, after: Self, facts: Vec<Envelope>) -> Transition {
        Transition::Applied(Change { before: self.status(), after, facts })
    }

    fn created(&self) -> Envelope {
        Envelope::of(&PaymentCreated(self.for_facts()), self.modified_at)
    }

    fn cancelled(&self) -> Envelope {
        Envelope::of(&PaymentCancelled(self.for_facts()), self.modified_at)
    }

    /// As facts tell of it.
    fn for_facts(&self) -> events::Payment {
        let Order { reservation_id, user_id, product_id, product_name, price, card } = self.order.clone();
        events::Payment {
            id: self.id,
            pre_reservation_id: reservation_id,
            purchase: Purchase { user_id, product_id, product_name, price },
            card_no: card.into(),
            created_at: self.created_at,
            modified_at: self.modified_at,
            version: self.version,
        }
    }
}

use events::Envelope;

use crate::domain::{Payment, Status};

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
    /// Whatever the answer says, the payment is being undone, or is undone.
    #[error("the payment was cancelled")]
    Cancelled,
    /// Two answers to the same question that cannot both be true; the first one stands.
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
    pub(super) fn new(before: Status, after: Payment, facts: Vec<Envelope>) -> Self {
        Self { before, after, facts }
    }

    /// The status that the store has to find; if it finds another one, somebody else was faster.
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

//! What a card network answers.

/// To a charge. No answer at all is an error of the port, not one of these.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ChargeAnswer {
    /// The card is charged, by this call or by an earlier one with the same key.
    Charged,
    /// The bank said no. The same key gets the same answer for ever.
    Declined(Decline),
    /// The key was refunded before: it has no charge and never gets one.
    Undone,
}

/// Why a bank said no.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decline {
    /// For machines, for instance `insufficient_funds`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// The answer to a refund. After either of them the key has no charge and never gets one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundAnswer {
    /// The card was charged and has its money back, by this call or by an earlier one.
    Refunded,
    /// There was nothing to give back; a charge that comes later is refused.
    NothingCharged,
}

use std::fmt;

use events::{
    Fact, PaymentCancelled, PaymentCreated, ReceiptCancelled, ReceiptCreated, ReservationCancelled,
    ReservationCreated,
};

/// What a reservation, its payment or its receipt has become, as far as the view is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    Reservated,
    ReservationCancelled,
    Paid,
    PaymentCancelled,
    ReceiptIssued,
    ReceiptCancelled,
}

impl Status {
    pub const ALL: [Self; 6] = [
        Self::Reservated,
        Self::ReservationCancelled,
        Self::Paid,
        Self::PaymentCancelled,
        Self::ReceiptIssued,
        Self::ReceiptCancelled,
    ];

    /// As it stands in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reservated => ReservationCreated::STATUS,
            Self::ReservationCancelled => ReservationCancelled::STATUS,
            Self::Paid => PaymentCreated::STATUS,
            Self::PaymentCancelled => PaymentCancelled::STATUS,
            Self::ReceiptIssued => ReceiptCreated::STATUS,
            Self::ReceiptCancelled => ReceiptCancelled::STATUS,
        }
    }

    /// The type of the fact that tells of it.
    pub const fn fact_type(self) -> &'static str {
        match self {
            Self::Reservated => ReservationCreated::TYPE,
            Self::ReservationCancelled => ReservationCancelled::TYPE,
            Self::Paid => PaymentCreated::TYPE,
            Self::PaymentCancelled => PaymentCancelled::TYPE,
            Self::ReceiptIssued => ReceiptCreated::TYPE,
            Self::ReceiptCancelled => ReceiptCancelled::TYPE,
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

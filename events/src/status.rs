use std::fmt;

/// What a thing has become by a fact. Each fact implies exactly one, so no fact can carry
/// a status that contradicts its name; see [`Event::status`](crate::Event::status).
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

    /// As it stands in JSON and in the databases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reservated => "reservated",
            Self::ReservationCancelled => "reservation_cancelled",
            Self::Paid => "paid",
            Self::PaymentCancelled => "payment_cancelled",
            Self::ReceiptIssued => "receipt_issued",
            Self::ReceiptCancelled => "receipt_cancelled",
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

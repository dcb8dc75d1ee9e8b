use super::status::Status;
use super::telling::Telling;

/// Which producer a fact is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facet {
    Reservation,
    Payment,
    Receipt,
}

/// A fact as a step of its reservation's saga. Named by reservation, facet and version: the same fact told again is
/// the same step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub reservation_id: i64,
    pub version: i64,
    pub status: Status,
    /// When the producer told it, epoch milliseconds.
    pub at_ms: i64,
    /// 32 hexadecimal digits.
    pub trace_id: Option<String>,
    /// How often the producer tried, where it says so.
    pub attempts: Option<i64>,
}

impl Facet {
    pub const ALL: [Self; 3] = [Self::Reservation, Self::Payment, Self::Receipt];

    pub const fn of(status: Status) -> Self {
        match status {
            Status::Reservated | Status::ReservationCancelled => Self::Reservation,
            Status::Paid | Status::PaymentCancelled => Self::Payment,
            Status::ReceiptIssued | Status::ReceiptCancelled => Self::Receipt,
        }
    }

    /// As it stands in the database.
    pub const fn number(self) -> i64 {
        match self {
            Self::Reservation => 0,
            Self::Payment => 1,
            Self::Receipt => 2,
        }
    }

    /// The service that tells it.
    pub const fn producer(self) -> &'static str {
        match self {
            Self::Reservation => "prereservation",
            Self::Payment => "payment",
            Self::Receipt => "receipt",
        }
    }
}

impl Step {
    pub fn of(telling: &Telling, at_ms: i64, trace_id: Option<String>, attempts: Option<i64>) -> Self {
        Self {
            reservation_id: telling.reservation_id,
            version: telling.told.version(),
            status: telling.told.status(),
            at_ms,
            trace_id,
            attempts,
        }
    }

    pub fn facet(&self) -> Facet {
        Facet::of(self.status)
    }
}

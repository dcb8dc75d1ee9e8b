//! Why a reservation was cancelled, in `ReservationCancelled::reason`. An open set: a reader
//! shows a code that it does not know, it does not refuse it.

/// The bank said no; nothing was charged.
pub const PAYMENT_DECLINED: &str = "payment_declined";
/// payment was not reached, or did not take the request; nothing was charged.
pub const PAYMENT_NOT_SENT: &str = "payment_not_sent";
/// payment refused this reservation: it holds the reservation as cancelled, or has another payment under its number.
/// Nothing was charged for it.
pub const PAYMENT_REFUSED: &str = "payment_refused";
/// payment was asked and did not answer. On this fact it refunds the charge, if there is one.
pub const PAYMENT_UNKNOWN: &str = "payment_unknown";
/// The process that took the reservation died in the middle; treated as unknown.
pub const ABANDONED: &str = "abandoned";
/// The customer took the reservation back.
pub const CANCELLED_BY_CUSTOMER: &str = "cancelled_by_customer";
/// A `ReservationCancelled` that names no reason (a producer older than the field).
pub const UNSPECIFIED: &str = "unspecified";

//! What each producer told of a reservation. A producer's facts touch its own facet and nothing else, and of two
//! facts the newer version stands: so neither order nor repetition matters.

use super::status::Status;

/// What all three producers repeat. The reservation's own telling wins over the payment's, that over the receipt's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    pub user_id: i64,
    /// Only the reservation knows it.
    pub user_address: Option<String>,
    pub product_id: i64,
    pub product_name: String,
    pub price: i64,
    /// Masked; the receipt does not know it.
    pub card_no: Option<String>,
    /// Epoch milliseconds.
    pub created_at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// One of [`events::reason`], or a code that is newer than this release.
    pub reason: String,
    pub detail: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    pub version: i64,
    pub status: Status,
    pub modified_at: i64,
    pub cancellation: Option<Cancellation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub version: i64,
    pub status: Status,
    pub id: i64,
    pub created_at: i64,
    pub modified_at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub version: i64,
    pub status: Status,
    pub id: i64,
    pub expected_delivery_at: i64,
    pub created_at: i64,
    pub modified_at: i64,
}

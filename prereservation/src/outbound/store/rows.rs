//! The tables, and where each column stands.

use crate::domain::{CancelReason, NewReservation, Reservation, Status};

storage::table! {
    "reservation" (
        id, user_id, user_address, product_id, product_name, price, card_no, status, version, created_at, modified_at,
        cancel_reason, cancel_detail,
    ) as Reservation {
        id,
        details: NewReservation { user_id, user_address, product_id, product_name, price, masked_card: card_no },
        status,
        version,
        created_at,
        modified_at,
        cancel_reason,
        cancel_detail,
    }
}

storage::table! {
    pub(super) struct Key in "idempotency_key" {
        key: String,
        fingerprint: String,
        reservation_id: i64,
        created_at: i64,
        answered_at: Option<i64>,
        cancel_reason: Option<CancelReason>,
        cancel_detail: Option<String>,
    }
}

storage::text_column!(Status);
// A newer release wrote it. The customer is told that a charge is refunded.
storage::text_column!(CancelReason, or CancelReason::Unknown);

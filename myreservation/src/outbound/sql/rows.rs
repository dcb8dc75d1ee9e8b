//! The tables' columns, and what a row says.

use storage::StoreError;

use crate::domain::{Cancellation, MyReservation, Payment, Purchase, Receipt, Reservation, Status, Step};

storage::table! {
    pub struct Row in "my_reservation" {
        id: i64,
        user_id: i64,
        user_address: Option<String>,
        product_id: i64,
        product_name: String,
        price: i64,
        card_no: Option<String>,
        created_at: i64,
        reservation_version: i64,
        reservation_status: Option<String>,
        reservation_modified_at: Option<i64>,
        cancel_reason: Option<String>,
        cancel_detail: Option<String>,
        payment_version: i64,
        payment_status: Option<String>,
        payment_id: Option<i64>,
        payment_created_at: Option<i64>,
        payment_modified_at: Option<i64>,
        receipt_version: i64,
        receipt_status: Option<String>,
        receipt_id: Option<i64>,
        expected_delivery_at: Option<i64>,
        receipt_created_at: Option<i64>,
        receipt_modified_at: Option<i64>,
    }
}

storage::table! {
    pub(super) struct StepRow in "my_reservation_step" {
        reservation_id: i64,
        facet: i64,
        version: i64,
        status: String,
        at_ms: i64,
        trace_id: Option<String>,
        attempts: Option<i64>,
    }
}

impl TryFrom<Row> for MyReservation {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            purchase: Purchase {
                user_id: row.user_id,
                user_address: row.user_address,
                product_id: row.product_id,
                product_name: row.product_name,
                price: row.price,
                card_no: row.card_no,
                created_at: row.created_at,
            },
            reservation: told(row.reservation_version, |version| {
                Some(Reservation {
                    version,
                    status: Status::parse(&row.reservation_status?)?,
                    modified_at: row.reservation_modified_at?,
                    cancellation: row
                        .cancel_reason
                        .map(|reason| Cancellation { reason, detail: row.cancel_detail }),
                })
            })?,
            payment: told(row.payment_version, |version| {
                Some(Payment {
                    version,
                    status: Status::parse(&row.payment_status?)?,
                    id: row.payment_id?,
                    created_at: row.payment_created_at?,
                    modified_at: row.payment_modified_at?,
                })
            })?,
            receipt: told(row.receipt_version, |version| {
                Some(Receipt {
                    version,
                    status: Status::parse(&row.receipt_status?)?,
                    id: row.receipt_id?,
                    expected_delivery_at: row.expected_delivery_at?,
                    created_at: row.receipt_created_at?,
                    modified_at: row.receipt_modified_at?,
                })
            })?,
        })
    }
}

impl TryFrom<StepRow> for Step {
    type Error = StoreError;

    fn try_from(row: StepRow) -> Result<Self, StoreError> {
        let StepRow { reservation_id, version, status, at_ms, trace_id, attempts, .. } = row;
        let status = Status::parse(&status)
            .ok_or_else(|| StoreError::Corrupt(format!("unknown status '{status}'").into()))?;
        Ok(Self { reservation_id, version, status, at_ms, trace_id, attempts })
    }
}

/// What a producer told, if it told anything: a version of 0 says that it did not.
fn told<T>(version: i64, facet: impl FnOnce(i64) -> Option<T>) -> Result<Option<T>, StoreError> {
    match version {
        0 => Ok(None),
        version => match facet(version) {
            Some(facet) => Ok(Some(facet)),
            None => Err(StoreError::Corrupt(
                "a version without all that it tells, or with an unknown status".into(),
            )),
        },
    }
}

//! The columns, and rows read from them.

use events::Status;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::domain::{Cancellation, MyReservation, Payment, Purchase, Receipt, Reservation, Step};

pub(super) const COLUMNS: &str = "id, user_id, user_address, product_id, product_name, price, card_no, created_at, \
     reservation_version, reservation_status, reservation_modified_at, cancel_reason, cancel_detail, \
     payment_version, payment_status, payment_id, payment_created_at, payment_modified_at, \
     receipt_version, receipt_status, receipt_id, expected_delivery_at, receipt_created_at, receipt_modified_at";

pub(super) const STEP_COLUMNS: &str = "reservation_id, facet, version, status, at_ms, trace_id, attempts";

pub(super) fn my_reservation(row: &AnyRow) -> Result<MyReservation, sqlx::Error> {
    Ok(MyReservation {
        id: row.try_get(0)?,
        purchase: Purchase {
            user_id: row.try_get(1)?,
            user_address: row.try_get(2)?,
            product_id: row.try_get(3)?,
            product_name: row.try_get(4)?,
            price: row.try_get(5)?,
            card_no: row.try_get(6)?,
            created_at: row.try_get(7)?,
        },
        reservation: match row.try_get(8)? {
            0 => None,
            version => Some(Reservation {
                version,
                status: status(row, 9)?,
                modified_at: row.try_get(10)?,
                cancellation: match row.try_get(11)? {
                    Some(reason) => Some(Cancellation { reason, detail: row.try_get(12)? }),
                    None => None,
                },
            }),
        },
        payment: match row.try_get(13)? {
            0 => None,
            version => Some(Payment {
                version,
                status: status(row, 14)?,
                id: row.try_get(15)?,
                created_at: row.try_get(16)?,
                modified_at: row.try_get(17)?,
            }),
        },
        receipt: match row.try_get(18)? {
            0 => None,
            version => Some(Receipt {
                version,
                status: status(row, 19)?,
                id: row.try_get(20)?,
                expected_delivery_at: row.try_get(21)?,
                created_at: row.try_get(22)?,
                modified_at: row.try_get(23)?,
            }),
        },
    })
}

pub(super) fn step(row: &AnyRow) -> Result<Step, sqlx::Error> {
    Ok(Step {
        reservation_id: row.try_get(0)?,
        version: row.try_get(2)?,
        status: status(row, 3)?,
        at_ms: row.try_get(4)?,
        trace_id: row.try_get(5)?,
        attempts: row.try_get(6)?,
    })
}

fn status(row: &AnyRow, column: usize) -> Result<Status, sqlx::Error> {
    let text: String = row.try_get(column)?;
    Status::parse(&text).ok_or_else(|| sqlx::Error::Decode(format!("unknown status '{text}'").into()))
}

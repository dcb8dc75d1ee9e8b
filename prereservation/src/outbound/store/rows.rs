use sqlx::Row;
use sqlx::any::AnyRow;

use crate::domain::{CancelReason, NewReservation, Reservation, Status};

pub(super) const COLUMNS: &str = "id, user_id, user_address, product_id, product_name, price, card_no, status, version, \
     created_at, modified_at, cancel_reason, cancel_detail";

pub(super) const FIND: &str = "SELECT id, user_id, user_address, product_id, product_name, price, card_no, status, version, \
     created_at, modified_at, cancel_reason, cancel_detail FROM reservation WHERE id = $1";

pub(super) fn reservation(row: &AnyRow) -> Result<Reservation, sqlx::Error> {
    let status: String = row.try_get(7)?;
    let reason: Option<String> = row.try_get(11)?;
    Ok(Reservation {
        id: row.try_get(0)?,
        details: NewReservation {
            user_id: row.try_get(1)?,
            user_address: row.try_get(2)?,
            product_id: row.try_get(3)?,
            product_name: row.try_get(4)?,
            price: row.try_get(5)?,
            masked_card: row.try_get(6)?,
        },
        status: Status::parse(&status)
            .ok_or_else(|| sqlx::Error::Decode(format!("unknown status '{status}'").into()))?,
        version: row.try_get(8)?,
        created_at: row.try_get(9)?,
        modified_at: row.try_get(10)?,
        cancel_reason: reason.as_deref().and_then(CancelReason::parse),
        cancel_detail: row.try_get(12)?,
    })
}

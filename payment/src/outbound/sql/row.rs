use sqlx::Row;
use sqlx::any::AnyRow;

use crate::domain::{Decline, MaskedCard, Order, Payment, State, Status};

/// As [`payment`] reads them.
pub(super) const COLUMNS: &str = "id, reservation_id, user_id, product_id, product_name, price, card_no, status, \
     version, created_at, modified_at, decline_code, decline_message";

/// Behind [`COLUMNS`].
pub(super) const NEXT_COLUMN: usize = 13;

pub(super) fn payment(row: &AnyRow) -> Result<Payment, sqlx::Error> {
    let card: &str = row.try_get(6)?;
    Ok(Payment {
        id: row.try_get(0)?,
        order: Order {
            reservation_id: row.try_get(1)?,
            user_id: row.try_get(2)?,
            product_id: row.try_get(3)?,
            product_name: row.try_get(4)?,
            price: row.try_get(5)?,
            card: MaskedCard::of(card),
        },
        state: state(row)?,
        version: row.try_get(8)?,
        created_at: row.try_get(9)?,
        modified_at: row.try_get(10)?,
    })
}

fn state(row: &AnyRow) -> Result<State, sqlx::Error> {
    let text: &str = row.try_get(7)?;
    let status = Status::parse(text).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: "status".to_owned(),
        source: format!("the status {text:?} is unknown here").into(),
    })?;
    Ok(match status {
        Status::Charging => State::Charging,
        Status::Paid => State::Paid,
        Status::Declined => State::Declined(Decline {
            code: row.try_get::<Option<String>, _>(11)?.unwrap_or_default(),
            message: row.try_get::<Option<String>, _>(12)?.unwrap_or_default(),
        }),
        Status::Refunding => State::Refunding,
        Status::Cancelled => State::Cancelled,
        Status::Void => State::Void,
    })
}

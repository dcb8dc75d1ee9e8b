//! The table's columns, and what a row says.

use crate::domain::{Decline, MaskedCard, Order, Payment, State, Status};

storage::table! {
    pub struct Row in "payment" {
        id: i64,
        reservation_id: i64,
        user_id: i64,
        product_id: i64,
        product_name: String,
        price: i64,
        card_no: String,
        status: Status,
        version: i64,
        created_at: i64,
        modified_at: i64,
        decline_code: Option<String>,
        decline_message: Option<String>,
        traceparent: Option<String>,
    }
}
storage::text_column!(Status);

impl Row {
    /// Of a reservation that has no payment yet. The database gives the id.
    pub(super) fn new(order: &Order, status: Status, now: i64, traceparent: Option<String>) -> Self {
        Self {
            id: 0,
            reservation_id: order.reservation_id,
            user_id: order.user_id,
            product_id: order.product_id,
            product_name: order.product_name.clone(),
            price: order.price,
            card_no: order.card.as_str().to_owned(),
            status,
            version: 0,
            created_at: now,
            modified_at: now,
            decline_code: None,
            decline_message: None,
            traceparent,
        }
    }
}

impl From<Row> for Payment {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            order: Order {
                reservation_id: row.reservation_id,
                user_id: row.user_id,
                product_id: row.product_id,
                product_name: row.product_name,
                price: row.price,
                card: MaskedCard::of(&row.card_no),
            },
            state: match row.status {
                Status::Charging => State::Charging,
                Status::Paid => State::Paid,
                Status::Declined => State::Declined(Decline {
                    code: row.decline_code.unwrap_or_default(),
                    message: row.decline_message.unwrap_or_default(),
                }),
                Status::Refunding => State::Refunding,
                Status::Cancelled => State::Cancelled,
                Status::Void => State::Void,
            },
            version: row.version,
            created_at: row.created_at,
            modified_at: row.modified_at,
        }
    }
}

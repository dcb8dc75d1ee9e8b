//! Request to command: everything that is wrong with it, at once.

use http_common::Problem;
use rest::input::{Body, Fields, Scalar};
use zeroize::Zeroizing;

use crate::domain::{CardNumber, Order};

/// The largest number that every JSON reader keeps exactly (RFC 8259, section 6).
const LARGEST_INTEGER: i64 = (1 << 53) - 1;
const LONGEST_PRODUCT_NAME: usize = 200;
/// 19 digits with separators between them, and some to spare.
const LONGEST_CARD: usize = 64;

pub(super) fn parse(body: &Body) -> Result<(Order, CardNumber), Problem> {
    let mut fields = body.fields()?;
    let reservation_id = fields.integer("preReservationId", 1..=LARGEST_INTEGER);
    let user_id = fields.integer("userId", 1..=LARGEST_INTEGER);
    let product_id = fields.integer("productId", 1..=LARGEST_INTEGER);
    let product_name = fields.text("productName", LONGEST_PRODUCT_NAME);
    let price = fields.integer("price", 1..=LARGEST_INTEGER);
    let card = card(&mut fields);
    fields.finish()?;
    // Without a card `finish` has refused.
    let card = card.ok_or_else(Problem::internal)?;
    let order = Order { reservation_id, user_id, product_id, product_name, price, card: card.masked() };
    Ok((order, card))
}

fn card(fields: &mut Fields<'_>) -> Option<CardNumber> {
    let text = match fields.get("cardNo") {
        // A client that sends the digits as a number means the same.
        Some(Scalar::Integer(number)) => Zeroizing::new(number.to_string()),
        _ => Zeroizing::new(fields.text("cardNo", LONGEST_CARD)),
    };
    if text.is_empty() {
        return None;
    }
    CardNumber::parse(&text).map_err(|error| fields.reject("cardNo", error.to_string())).ok()
}

//! Request to command: everything that is wrong with it, at once.

use http_common::Problem;
use rest::input::Body;

use crate::domain::{CardNumber, Order};

const LONGEST_PRODUCT_NAME: usize = 200;
/// 19 digits with separators between them, and some to spare.
const LONGEST_CARD: usize = 64;

pub(super) fn parse(body: &Body) -> Result<(Order, CardNumber), Problem> {
    let mut fields = body.fields()?;
    let reservation_id = fields.positive("preReservationId");
    let user_id = fields.positive("userId");
    let product_id = fields.positive("productId");
    let product_name = fields.text("productName", LONGEST_PRODUCT_NAME);
    let price = fields.positive("price");
    let card = fields.secret("cardNo", LONGEST_CARD, CardNumber::parse);
    fields.finish()?;
    // Without a card `finish` has refused.
    let card = card.ok_or_else(Problem::internal)?;
    let order = Order { reservation_id, user_id, product_id, product_name, price, card: card.masked() };
    Ok((order, card))
}

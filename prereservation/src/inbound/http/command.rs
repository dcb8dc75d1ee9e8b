//! Request to command: everything that is wrong with it, at once.

use actix_web::HttpRequest;
use http_common::Problem;
use identity::Caller;
use rest::input::Body;
use sha2::{Digest, Sha256};

use crate::domain::{CardNumber, NewReservation};
use crate::use_cases::ports::IdempotencyKey;

const LONGEST_KEY: usize = 255;

pub(super) struct Command {
    pub(super) order: NewReservation,
    pub(super) card: CardNumber,
    pub(super) key: Option<IdempotencyKey>,
}

/// A caller who is known need not say who he is.
pub(super) fn parse(request: &HttpRequest, caller: &Caller, body: &Body) -> Result<Command, Problem> {
    let mut fields = body.fields()?;
    let user_id = fields.positive_or("userId", caller.user_id());
    let user_address = fields.text("userAddress", 500);
    let product_id = fields.positive("productId");
    let product_name = fields.text("productName", 200);
    let price = fields.positive("price");
    let card = fields.secret("cardNo", 64, CardNumber::parse);
    fields.finish()?;
    // `finish` refuses a request whose card was rejected.
    let card = card.ok_or_else(Problem::internal)?;

    let order = NewReservation {
        user_id,
        user_address,
        product_id,
        product_name,
        price,
        masked_card: card.masked().into(),
    };
    let key = key(request, caller, &order)?;
    Ok(Command { order, card, key })
}

fn key(
    request: &HttpRequest,
    caller: &Caller,
    order: &NewReservation,
) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = request.headers().get_all("idempotency-key");
    let Some(value) = values.next() else { return Ok(None) };
    let invalid = || {
        Problem::bad_request(format!(
            "Idempotency-Key must be 1 to {LONGEST_KEY} visible characters, given once."
        ))
    };
    let key = value.to_str().map_err(|_| invalid())?.trim();
    if key.is_empty() || key.len() > LONGEST_KEY || values.next().is_some() {
        return Err(invalid());
    }
    Ok(Some(IdempotencyKey::of(caller, key.to_owned(), fingerprint(order))))
}

/// Lengths keep neighbouring texts apart. The card goes in masked: a hash of its digits could be guessed.
fn fingerprint(order: &NewReservation) -> String {
    let mut hash = Sha256::new();
    for number in [order.user_id, order.product_id, order.price] {
        hash.update(number.to_be_bytes());
    }
    for text in [&order.user_address, &order.product_name, &order.masked_card] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

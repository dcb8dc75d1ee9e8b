//! Request to command: everything that is wrong with it, at once.

use actix_web::HttpRequest;
use http_common::Problem;
use rest::input::{Body, Fields, Scalar};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::LARGEST_INTEGER;
use crate::domain::CardNumber;
use crate::domain::NewReservation;
use crate::use_cases::ports::IdempotencyKey;

const LONGEST_KEY: usize = 255;

pub(super) struct Command {
    pub(super) order: NewReservation,
    pub(super) card: CardNumber,
    pub(super) key: Option<IdempotencyKey>,
}

pub(super) fn parse(request: &HttpRequest, body: &Body) -> Result<Command, Problem> {
    let mut fields = body.fields()?;
    let user_id = fields.integer("userId", 1..=LARGEST_INTEGER);
    let user_address = fields.text("userAddress", 500);
    let product_id = fields.integer("productId", 1..=LARGEST_INTEGER);
    let product_name = fields.text("productName", 200);
    let price = fields.integer("price", 1..=LARGEST_INTEGER);
    let card = card(&mut fields);
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
    let key = key(request, &order)?;
    Ok(Command { order, card, key })
}

fn card(fields: &mut Fields<'_>) -> Option<CardNumber> {
    let text = match fields.get("cardNo") {
        // A client that sends the digits as a number means the same.
        Some(Scalar::Integer(number)) => Zeroizing::new(number.to_string()),
        _ => Zeroizing::new(fields.text("cardNo", 64)),
    };
    if text.is_empty() {
        return None;
    }
    match CardNumber::parse(&text) {
        Ok(card) => Some(card),
        Err(error) => {
            fields.reject("cardNo", error.to_string());
            None
        }
    }
}

fn key(request: &HttpRequest, order: &NewReservation) -> Result<Option<IdempotencyKey>, Problem> {
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
    Ok(Some(IdempotencyKey { key: key.to_owned(), fingerprint: fingerprint(order) }))
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

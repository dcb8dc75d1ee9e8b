//! Outcome to answer. The answer says truly what happened to the
//! customer's money.

use http_common::Problem;
use rest::{Answer, Base, hal};

use super::resource::PaymentItem;
use crate::use_cases::ports::ProviderError;
use crate::use_cases::{ChargeError, Outcome};

pub(super) fn answer(base: &Base, outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Paid(payment) => Ok(hal::created(base, &PaymentItem::from(payment))),
        Outcome::Declined(decline) => {
            Err(Problem::new(402).detail(decline.message).with("code", decline.code).into())
        }
        Outcome::Cancelled => Err(Problem::conflict(
            "The reservation was cancelled; what may have been charged for it is given back.",
        )
        .into()),
        Outcome::AnotherOrder => {
            Err(Problem::unprocessable("This reservation has a payment already, with other content.").into())
        }
    }
}

pub(super) fn charge_failed(error: &ChargeError) -> Problem {
    tracing::warn!(error = error as &dyn std::error::Error, "charge not finished");
    match error {
        ChargeError::Store(error) if !error.is_unavailable() => Problem::internal(),
        ChargeError::Store(_) => Problem::unavailable(
            "The database is not available, and whether the card is charged is not known. Repeat the request to learn it, \
             or cancel the reservation: what was charged is given back then.",
            1,
        ),
        ChargeError::Provider(ProviderError::Unavailable(_)) => Problem::unavailable(
            "The card network takes no charges at the moment; this request charged nothing.",
            5,
        ),
        ChargeError::Provider(ProviderError::Unknown(_)) => Problem::unavailable(
            "The card network did not answer, and whether the card is charged is not known. Repeat the request to learn \
             it, or cancel the reservation: what was charged is given back then.",
            1,
        ),
    }
}

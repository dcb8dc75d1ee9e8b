//! What an answer, or its absence, says about the customer's money.

use std::time::Duration;

use events::{Fact, PaymentCreated};
use resilience::{Answer, NoAnswer};
use serde::Deserialize;

use crate::use_cases::ports::{
    Declined, NotSent, NotSentWhy, Paid, PaymentOrder, PaymentOutcome, Refused, RefusedWhy, Unknown,
    UnknownWhy,
};

/// Longer than any answer of payment; what is longer is not payment's.
const BODY_LIMIT: usize = 64 * 1024;

/// payment said definitely what it did. A card that the bank refuses is no fault of payment's, nor is a request that it
/// does not take: for the circuit breaker it works.
pub(super) enum Decision {
    Paid(Paid),
    Declined(Declined),
    Refused(Refused),
    /// The request as such; payment did nothing.
    NotTaken(NotSentWhy),
}

/// payment did not say what it did.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("payment gave no answer")]
    NoAnswer(#[from] NoAnswer),
    #[error("payment failed with status {0}")]
    ServerError(u16),
    #[error("payment answered with status {0}, which means nothing here")]
    UnexpectedStatus(u16),
    #[error("payment's answer does not say that this reservation is paid")]
    Garbled,
}

impl Decision {
    pub(super) fn into_outcome(self, retry_after: Duration) -> PaymentOutcome {
        match self {
            Self::Paid(paid) => PaymentOutcome::Paid(paid),
            Self::Declined(declined) => PaymentOutcome::Declined(declined),
            Self::Refused(refused) => PaymentOutcome::Refused(refused),
            Self::NotTaken(why) => PaymentOutcome::NotSent(NotSent { why, retry_after }),
        }
    }

    /// What is wrong with this service or its settings, if payment says so.
    pub(super) fn misconfigured(&self) -> Option<String> {
        match self {
            Self::NotTaken(NotSentWhy::NotTrusted(status)) => {
                Some(format!("payment answers {status}: internal.token is not the one that payment expects"))
            }
            Self::NotTaken(NotSentWhy::NotUnderstood(status)) => Some(format!(
                "payment answers {status}: url.payment leads elsewhere, or the versions do not fit"
            )),
            _ => None,
        }
    }
}

impl Failure {
    pub(super) fn into_outcome(self, retry_after: Duration) -> PaymentOutcome {
        let why = match self {
            Self::NoAnswer(NoAnswer::NotConnected(_)) => {
                let why = NotSentWhy::ConnectionRefused;
                return PaymentOutcome::NotSent(NotSent { why, retry_after });
            }
            Self::NoAnswer(NoAnswer::TimedOut) => UnknownWhy::Timeout,
            Self::NoAnswer(NoAnswer::Broken(_)) => UnknownWhy::ConnectionReset,
            Self::ServerError(status) => UnknownWhy::ServerError(status),
            Self::UnexpectedStatus(status) => UnknownWhy::UnexpectedStatus(status),
            Self::Garbled | Self::NoAnswer(NoAnswer::TooLong(_)) => UnknownWhy::Garbled,
        };
        PaymentOutcome::Unknown(Unknown { why })
    }
}

pub(super) async fn read(answer: Answer, order: &PaymentOrder) -> Result<Decision, Failure> {
    match answer.status() {
        200 | 201 => paid(&answer.body(BODY_LIMIT).await?, order).map(Decision::Paid),
        402 => Ok(declined(answer).await),
        409 => Ok(refused(RefusedWhy::ReservationCancelled)),
        422 => Ok(refused(RefusedWhy::AnotherPayment)),
        error @ 500..=599 => Err(Failure::ServerError(error)),
        // The others are about this request, not about the reservation: they say nothing about an earlier try.
        other if answer.resent => Err(Failure::UnexpectedStatus(other)),
        status @ (401 | 403) => Ok(Decision::NotTaken(NotSentWhy::NotTrusted(status))),
        status @ (400 | 404 | 405 | 413 | 415) => Ok(Decision::NotTaken(NotSentWhy::NotUnderstood(status))),
        429 => Ok(Decision::NotTaken(NotSentWhy::Overloaded)),
        // Among them 408, which a proxy gives while payment works on.
        other => Err(Failure::UnexpectedStatus(other)),
    }
}

fn refused(why: RefusedWhy) -> Decision {
    Decision::Refused(Refused { why })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    id: i64,
    pre_reservation_id: i64,
    price: i64,
    status: String,
}

/// Paid is what says so of this very reservation, at this price.
fn paid(body: &[u8], order: &PaymentOrder) -> Result<Paid, Failure> {
    let payment: Payment = serde_json::from_slice(body).map_err(|_| Failure::Garbled)?;
    let is_this = payment.pre_reservation_id == order.reservation_id
        && payment.price == order.price
        && payment.status == PaymentCreated::STATUS;
    if is_this { Ok(Paid { payment_id: payment.id }) } else { Err(Failure::Garbled) }
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    detail: Option<String>,
}

/// The status alone says that nothing is charged; the body only adds words.
async fn declined(answer: Answer) -> Decision {
    let detail = match answer.body(BODY_LIMIT).await {
        Ok(body) => serde_json::from_slice::<Problem>(&body).unwrap_or_default().detail,
        Err(_) => None,
    };
    Decision::Declined(Declined { detail })
}

//! What an answer, or its absence, says about the customer's money.

use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::use_cases::ports::{Declined, DeclinedWhy, NotSentWhy, Paid, PaymentOrder, Unknown, UnknownWhy};

/// Longer than any answer of payment; what is longer is not payment's.
const BODY_LIMIT: usize = 64 * 1024;

/// What became of a call that was made.
#[derive(Debug)]
pub(super) enum Answer {
    Paid(Paid),
    Declined(Declined),
    NotSent(NotSentWhy),
    Unknown(Unknown),
}

impl Answer {
    fn unknown(why: UnknownWhy) -> Self {
        Self::Unknown(Unknown { why })
    }

    pub(super) fn timed_out() -> Self {
        Self::unknown(UnknownWhy::Timeout)
    }

    /// No answer's head came.
    pub(super) fn of_failed_call(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            // The request is written to a connection that stands; this one never stood.
            Self::NotSent(NotSentWhy::ConnectionRefused)
        } else if error.is_timeout() {
            Self::timed_out()
        } else {
            Self::unknown(UnknownWhy::ConnectionReset)
        }
    }

    pub(super) async fn read(response: Response, order: &PaymentOrder) -> Self {
        let status = response.status();
        match status {
            StatusCode::CREATED | StatusCode::OK => match body(response).await {
                Ok(body) => paid(&body, order),
                Err(answer) => answer,
            },
            StatusCode::PAYMENT_REQUIRED => declined(response, DeclinedWhy::Card).await,
            StatusCode::CONFLICT => declined(response, DeclinedWhy::ReservationCancelled).await,
            _ if status.is_server_error() => Self::unknown(UnknownWhy::ServerError(status.as_u16())),
            // A 4xx of a proxy (408 while payment worked on) is no proof that nothing was charged.
            _ => Self::unknown(UnknownWhy::UnexpectedStatus(status.as_u16())),
        }
    }

    /// Whether payment did its work: a card that the bank refuses is no fault of payment's.
    pub(super) fn is_payment_well(&self) -> bool {
        match self {
            Self::Paid(_) | Self::Declined(_) => true,
            Self::NotSent(_) | Self::Unknown(_) => false,
        }
    }
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
fn paid(body: &[u8], order: &PaymentOrder) -> Answer {
    match serde_json::from_slice::<Payment>(body) {
        Ok(payment)
            if payment.pre_reservation_id == order.reservation_id
                && payment.price == order.price
                && payment.status == events::Status::Paid.as_str() =>
        {
            Answer::Paid(Paid { payment_id: payment.id })
        }
        Ok(_) | Err(_) => Answer::unknown(UnknownWhy::Garbled),
    }
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    detail: Option<String>,
}

/// The status alone says that nothing is charged; the body only adds words.
async fn declined(response: Response, why: DeclinedWhy) -> Answer {
    let detail = match body(response).await {
        Ok(body) => serde_json::from_slice::<Problem>(&body).unwrap_or_default().detail,
        Err(_) => None,
    };
    Answer::Declined(Declined { why, detail })
}

async fn body(mut response: Response) -> Result<Vec<u8>, Answer> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= BODY_LIMIT => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err(Answer::unknown(UnknownWhy::Garbled)),
            Ok(None) => return Ok(body),
            Err(error) if error.is_timeout() => return Err(Answer::timed_out()),
            Err(error) if error.is_decode() => return Err(Answer::unknown(UnknownWhy::Garbled)),
            Err(_) => return Err(Answer::unknown(UnknownWhy::ConnectionReset)),
        }
    }
}

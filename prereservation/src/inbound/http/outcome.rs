//! Outcome to answer. The answer says truly what happened to the customer's money, and only what its own request did.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use http_common::Problem;
use rest::{Answer, Base, Failure, Preconditions, hal};
use storage::StoreError;

use crate::domain::{CancelReason, Reservation};
use crate::inbound::http::resource::PreReservation;
use crate::use_cases::cancel::Cancellation;
use crate::use_cases::reserve::Reserved;

/// Names the write, for `GET /myReservations` to wait for: `<reservation>.<version>`.
const MIN_VERSION: HeaderName = HeaderName::from_static("x-min-version");

pub(super) fn answer(base: &Base, outcome: Reserved) -> Answer {
    match outcome {
        Reserved::Confirmed(reservation) => {
            let response = hal::created(base, &PreReservation::from(reservation.clone()));
            Ok(with_min_version(response, &reservation))
        }
        Reserved::Cancelled { reservation, retry_after } => {
            let retry_after = retry_after.map_or(1, |pause| pause.as_secs().max(1));
            let problem = cancelled(&reservation, retry_after);
            // As an error, so that the document is completed with the path.
            Ok(with_min_version(Failure::from(problem).into_response(), &reservation))
        }
        Reserved::Undecided { id } => Err(Problem::unavailable(
            "What became of the reservation is not known yet: it stands, or it is undone, and then what was charged \
             for it is refunded. Ask for it a little later.",
            5,
        )
        .with("reservationId", id)
        .into()),
        Reserved::InFlight => Err(Problem::conflict(
            "A request with this Idempotency-Key is being answered; repeat it a little later.",
        )
        .retry_after(1)
        .into()),
        Reserved::Denied(denied) => Err(denied.into()),
        Reserved::KeyReused => Err(Problem::unprocessable(
            "This Idempotency-Key came with another request before; use a new key for a new request.",
        )
        .into()),
    }
}

fn cancelled(reservation: &Reservation, retry_after: u64) -> Problem {
    let problem = match reservation.cancel_reason {
        Some(CancelReason::Declined) => {
            let said = reservation.cancel_detail.as_deref().unwrap_or("The card was declined.");
            Problem::new(402).detail(format!("{said} Nothing was charged."))
        }
        Some(CancelReason::NotSent) => Problem::unavailable(
            format!(
                "Not reserved: {}. Nothing was charged.",
                reservation.cancel_detail.as_deref().unwrap_or("payment was not asked")
            ),
            retry_after,
        ),
        Some(CancelReason::Refused) => Problem::conflict(format!(
            "Not reserved: {}.",
            reservation.cancel_detail.as_deref().unwrap_or("payment does not charge for this reservation")
        ))
        .retry_after(retry_after),
        Some(CancelReason::ByCustomer) => Problem::conflict(
            "The reservation was cancelled while it was being paid; if the card was charged, the charge is refunded.",
        ),
        Some(CancelReason::Unknown | CancelReason::Abandoned) | None => Problem::unavailable(
            format!(
                "Not reserved: {}. If the card was charged, the charge is refunded.",
                reservation.cancel_detail.as_deref().unwrap_or("payment gave no answer")
            ),
            retry_after,
        ),
    };
    problem
        .with("reservationId", reservation.id)
        .with("reason", reservation.cancel_reason.map_or("unspecified", CancelReason::as_str))
}

pub(super) fn of_cancelling(cancellation: Cancellation) -> Answer {
    match cancellation {
        Cancellation::Done(reservation) => Ok(with_min_version(hal::deleted(), &reservation)),
        Cancellation::OtherVersion(version) => Err(Preconditions::failed(version).into()),
        Cancellation::Denied(denied) => Err(denied.into()),
        Cancellation::NotFound => Err(Problem::not_found().into()),
    }
}

/// payment was not asked. An earlier request with the same key may have been another matter.
pub(super) fn not_begun(error: &StoreError) -> Failure {
    Failure::of_store(error, "The database is not available. This request charged nothing.")
}

/// The commit may have been made and its answer lost.
pub(super) fn perhaps_cancelled(error: &StoreError) -> Failure {
    Failure::of_store(
        error,
        "The database is not available, and whether the reservation is cancelled is not known. Repeat the request: \
         404 says that it is.",
    )
}

fn with_min_version(mut response: HttpResponse, reservation: &Reservation) -> HttpResponse {
    let token = format!("{}.{}", reservation.id, reservation.version);
    if let Ok(token) = HeaderValue::from_str(&token) {
        response.headers_mut().insert(MIN_VERSION, token);
    }
    response
}

//! Outcome to answer. The answer says truly what happened to the customer's money, and only what its own request did.

use http_common::Problem;
use rest::hal::{self, Base};
use storage::StoreError;

use super::with_min_version;
use crate::domain::{CancelReason, Reservation};
use crate::inbound::http::resource::PreReservation;
use crate::use_cases::reserve::Reserved;

pub(super) fn answer(base: &Base, outcome: Reserved) -> rest::Answer {
    match outcome {
        Reserved::Confirmed(reservation) => {
            let response = hal::created(base, &PreReservation::from(reservation.clone()));
            Ok(with_min_version(response, &reservation))
        }
        Reserved::Cancelled { reservation, retry_after } => {
            let retry_after = retry_after.map_or(1, |pause| pause.as_secs().max(1));
            let problem = cancelled(&reservation, retry_after);
            // As an error, so that the document is completed with the path.
            Ok(with_min_version(rest::Failure::from(problem).into_response(), &reservation))
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

/// payment was not asked. An earlier request with the same key may have been another matter.
pub(super) fn not_begun(error: &StoreError) -> Problem {
    failed(error, "The database is not available. This request charged nothing.")
}

/// The commit may have been made and its answer lost.
pub(super) fn perhaps_cancelled(error: &StoreError) -> Problem {
    failed(
        error,
        "The database is not available, and whether the reservation is cancelled is not known. Repeat the request: \
         404 says that it is.",
    )
}

pub(super) fn not_read(error: &StoreError) -> Problem {
    failed(error, "The database is not available.")
}

/// The one place where the store's errors become problems.
fn failed(error: &StoreError, detail: &'static str) -> Problem {
    tracing::error!(error = error as &dyn std::error::Error, "the store failed");
    if error.is_unavailable() { Problem::unavailable(detail, 1) } else { Problem::internal() }
}

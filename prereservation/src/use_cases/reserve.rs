//! Takes a reservation: the intent on disk, then the payment, then the outcome with its fact.

use std::sync::Arc;
use std::time::Duration;

use events::Envelope;
use identity::{Caller, Role};
use rights::{Denied, acting_for};
use storage::{StoreError, now_ms};

use super::ports::{
    Begun, IdempotencyKey, NotSentWhy, PaymentGateway, PaymentOrder, PaymentOutcome, RefusedWhy,
    ReservationStore, SavedOutcome,
};
use crate::domain::CardNumber;
use crate::domain::{CancelReason, NewReservation, Reservation, Status, Transition};

pub struct Reserve {
    pub store: Arc<dyn ReservationStore>,
    pub payments: Arc<dyn PaymentGateway>,
}

/// How it ended.
#[derive(Debug)]
pub enum Reserved {
    Confirmed(Reservation),
    /// Cancelled, and why; `retry_after` where trying again makes sense.
    Cancelled {
        reservation: Reservation,
        retry_after: Option<Duration>,
    },
    /// The outcome could not be written down, or read: perhaps it is in the database all the same, else the reservation is
    /// still pending and will be undone.
    Undecided {
        id: i64,
    },
    /// A request with the same key is being answered.
    InFlight,
    /// The key belongs to another request.
    KeyReused,
    /// The caller may not reserve, or not for this user. Nothing was written.
    Denied(Denied),
}

impl Reserve {
    /// Customers reserve for themselves, administrators for anybody.
    ///
    /// # Errors
    /// The store's, before anything was charged.
    pub async fn execute(
        &self,
        caller: &Caller,
        order: NewReservation,
        card: CardNumber,
        key: Option<IdempotencyKey>,
    ) -> Result<Reserved, StoreError> {
        if let Err(denied) = acting_for(caller, Role::Customer, Some(order.user_id)) {
            return Ok(Reserved::Denied(denied));
        }
        let reservation = match self.store.begin(&order, key.as_ref()).await? {
            Begun::Started(reservation) => reservation,
            Begun::Answered(reservation, outcome) => return Ok(replay(reservation, &outcome)),
            Begun::InFlight => return Ok(Reserved::InFlight),
            Begun::KeyReused => return Ok(Reserved::KeyReused),
        };
        let request = PaymentOrder {
            reservation_id: reservation.id,
            user_id: order.user_id,
            product_id: order.product_id,
            product_name: order.product_name,
            price: order.price,
            card,
        };
        let outcome = self.payments.pay(&request).await;
        self.settle(reservation, outcome, key.is_some()).await
    }

    async fn settle(
        &self,
        mut reservation: Reservation,
        outcome: PaymentOutcome,
        keyed: bool,
    ) -> Result<Reserved, StoreError> {
        let id = reservation.id;
        let expected_version = reservation.version;
        let mut retry_after = None;
        let transition = match outcome {
            PaymentOutcome::Paid(_) => reservation.confirm(now_ms()),
            PaymentOutcome::Declined(declined) => {
                reservation.cancel(CancelReason::Declined, declined.detail, now_ms())
            }
            // Where somebody cancelled it while it was being paid, saving finds that out, and what they wrote stands.
            PaymentOutcome::Refused(refused) => {
                let detail = match refused.why {
                    RefusedWhy::ReservationCancelled => {
                        "payment holds this reservation as cancelled; if the card was charged, the charge is refunded"
                    }
                    RefusedWhy::AnotherPayment => {
                        "payment has another payment under this reservation's number; this request charged nothing"
                    }
                };
                reservation.cancel(CancelReason::Refused, Some(detail.into()), now_ms())
            }
            PaymentOutcome::NotSent(not_sent) => {
                retry_after = Some(not_sent.retry_after);
                let detail = match not_sent.why {
                    NotSentWhy::BreakerOpen => "the circuit breaker to payment is open",
                    NotSentWhy::BulkheadFull => "too many reservations wait for payment",
                    NotSentWhy::ConnectionRefused => "payment cannot be reached",
                    NotSentWhy::Overloaded => "payment has too much to do",
                    NotSentWhy::NotTrusted(_) | NotSentWhy::NotUnderstood(_) => {
                        "payment does not take this service's requests"
                    }
                };
                reservation.cancel(CancelReason::NotSent, Some(detail.into()), now_ms())
            }
            PaymentOutcome::Unknown(unknown) => {
                retry_after = Some(Duration::from_secs(1));
                let detail = format!("payment gave no answer: {}", unknown.why);
                reservation.cancel(CancelReason::Unknown, Some(detail), now_ms())
            }
        };
        let Transition::Applied(fact) = transition else { return self.as_it_stands(id).await };
        match self.save(&reservation, &fact, expected_version, keyed).await {
            Ok(true) if reservation.status == Status::Reservated => Ok(Reserved::Confirmed(reservation)),
            Ok(true) => Ok(Reserved::Cancelled { reservation, retry_after }),
            Ok(false) => self.as_it_stands(id).await,
            Err(error) => {
                tracing::error!(
                    reservation = id,
                    error = &error as &dyn std::error::Error,
                    "outcome perhaps not written down; then the reservation stays pending until it is taken over"
                );
                Ok(Reserved::Undecided { id })
            }
        }
    }

    async fn save(
        &self,
        reservation: &Reservation,
        fact: &Envelope,
        expected_version: i64,
        keyed: bool,
    ) -> Result<bool, StoreError> {
        let outcome = keyed.then(|| SavedOutcome::of(reservation));
        let saved = self.store.save(reservation, fact, expected_version, outcome.as_ref()).await?;
        Ok(saved)
    }

    async fn find(&self, id: i64) -> Result<Option<Reservation>, StoreError> {
        self.store.find(id).await
    }

    /// Another request has ended the reservation meanwhile: a takeover, or its customer's cancellation.
    async fn as_it_stands(&self, id: i64) -> Result<Reserved, StoreError> {
        match self.find(id).await {
            Ok(Some(reservation)) => match reservation.status {
                Status::Reservated => Ok(Reserved::Confirmed(reservation)),
                Status::Cancelled => Ok(Reserved::Cancelled { reservation, retry_after: None }),
                Status::Pending => Ok(Reserved::Undecided { id }),
            },
            Ok(None) => Ok(Reserved::Undecided { id }),
            Err(error) => {
                tracing::error!(
                    reservation = id,
                    error = &error as &dyn std::error::Error,
                    "outcome not read; it is in the database all the same"
                );
                Ok(Reserved::Undecided { id })
            }
        }
    }
}

/// The first answer again, also if the reservation has changed since.
fn replay(mut reservation: Reservation, outcome: &SavedOutcome) -> Reserved {
    reservation.version = 1;
    reservation.modified_at = outcome.at;
    reservation.cancel_reason = outcome.cancelled;
    reservation.cancel_detail = outcome.detail.clone();
    match outcome.cancelled {
        None => {
            reservation.status = Status::Reservated;
            Reserved::Confirmed(reservation)
        }
        Some(_) => {
            reservation.status = Status::Cancelled;
            Reserved::Cancelled { reservation, retry_after: None }
        }
    }
}

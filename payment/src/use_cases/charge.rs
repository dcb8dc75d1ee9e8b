use std::sync::Arc;

use storage::{StoreError, now_ms};

use crate::domain::{CardNumber, Decline, Order, Payment, State, Transition};
use crate::use_cases::ports::{Intent, PaymentProvider, PaymentStore, ProviderError};

/// Charges a card for a reservation, once, however often it is asked to.
pub struct Charge {
    store: Arc<dyn PaymentStore>,
    provider: Arc<dyn PaymentProvider>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Paid(Payment),
    Declined(Decline),
    /// The reservation was cancelled. A charge, if there is one, is refunded.
    Cancelled,
    /// The reservation has a payment already, with other content.
    AnotherOrder,
}

#[derive(Debug, thiserror::Error)]
pub enum ChargeError {
    #[error("the payment could not be stored")]
    Store(#[from] StoreError),
    /// The payment stays as an intent: a repetition completes it, a cancellation undoes it.
    #[error("the card could not be charged")]
    Provider(#[from] ProviderError),
}

impl Charge {
    pub fn new(store: Arc<dyn PaymentStore>, provider: Arc<dyn PaymentProvider>) -> Self {
        metrics::describe_counter!("payments_total", "Requests to charge, by outcome");
        Self { store, provider }
    }

    /// # Errors
    /// [`ChargeError`]: whether the card is charged is not known to the caller.
    pub async fn charge(&self, order: Order, card: &CardNumber) -> Result<Outcome, ChargeError> {
        let outcome = self.charge_once(order, card).await;
        let label = match &outcome {
            Ok(Outcome::Paid(_)) => "paid",
            Ok(Outcome::Declined(_)) => "declined",
            Ok(Outcome::Cancelled) => "cancelled",
            Ok(Outcome::AnotherOrder) => "conflict",
            Err(_) => "unknown",
        };
        metrics::counter!("payments_total", "application" => "payment", "outcome" => label).increment(1);
        outcome
    }

    async fn charge_once(&self, order: Order, card: &CardNumber) -> Result<Outcome, ChargeError> {
        // The intent is on disk before any money moves.
        let mut payment = match self.store.intend(order.clone(), now_ms()).await? {
            Intent::Stored(payment) => payment,
            Intent::Existing(payment) => match settled(&payment, &order) {
                Some(outcome) => return Ok(outcome),
                // Another request is at it, or died at it: the same key leads to the same charge.
                None => payment,
            },
        };
        let key = payment.order.idempotency_key();
        let answer = self.provider.charge(&key, payment.order.price, card).await?;

        while let Transition::Applied(change) = payment.charge_answered(&answer, now_ms()) {
            if self.store.save(std::slice::from_ref(&change)).await? == [true] {
                payment = change.into_after();
                break;
            }
            // Somebody else was faster: another request with the same answer, or the cancellation. What the answer
            // means to the payment as it is now, the payment knows.
            match self.store.find(payment.id).await? {
                Some(current) => payment = current,
                None => break,
            }
        }
        Ok(settled(&payment, &order).unwrap_or(Outcome::Cancelled))
    }
}

/// What a request for `order` gets from a payment as it stands. `None`: it has still to be charged.
fn settled(payment: &Payment, order: &Order) -> Option<Outcome> {
    match &payment.state {
        State::Refunding | State::Cancelled | State::Void => Some(Outcome::Cancelled),
        State::Charging | State::Paid | State::Declined(_) if payment.order != *order => {
            Some(Outcome::AnotherOrder)
        }
        State::Paid => Some(Outcome::Paid(payment.clone())),
        State::Declined(decline) => Some(Outcome::Declined(decline.clone())),
        State::Charging => None,
    }
}

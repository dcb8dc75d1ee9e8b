//! Which fact triggers which use case: `ReservationCancelled` -> [`cancel()`]. The other
//! facts of the topic are not for payment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use events::{Event, ReadError, ReservationCancelled};
use messaging::{HandleError, Handler, ReceivedRecord, read_all};
use storage::{Tx, now_ms};
use tokio::sync::Notify;

use crate::domain::{MaskedCard, Order};
use crate::use_cases::cancel;
use crate::use_cases::ports::Cancellations;

pub struct ReservationEvents {
    payments: Arc<Cancellations>,
    /// Wakes the refund worker, once there is something committed for it.
    refunds: Arc<Notify>,
    cancelled: AtomicBool,
}

impl ReservationEvents {
    pub fn new(payments: Arc<Cancellations>, refunds: Arc<Notify>) -> Self {
        Self { payments, refunds, cancelled: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Handler for ReservationEvents {
    async fn handle(&self, tx: &mut Tx, records: &[ReceivedRecord]) -> Result<(), HandleError> {
        let orders = read_all(records, |received| match Event::from_json(&received.record.payload) {
            Ok(fact) => Ok(match fact.event {
                Event::ReservationCancelled(fact) => Some(order(fact)),
                _ => None,
            }),
            Err(ReadError::UnknownType(event_type)) => {
                tracing::debug!(event_type, offset = received.offset, "fact of a newer release skipped");
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        })?;
        if orders.is_empty() {
            return Ok(());
        }
        let (indices, orders): (Vec<usize>, Vec<Order>) = orders.into_iter().unzip();
        let cancelled = cancel(tx, self.payments.as_ref(), &orders, now_ms()).await;
        cancelled.map_err(|error| HandleError::of_fold(error, &indices))?;
        self.cancelled.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn concerns(&self, received: &ReceivedRecord) -> bool {
        match Event::from_json(&received.record.payload) {
            Ok(fact) => matches!(fact.event, Event::ReservationCancelled(_)),
            Err(error) => !matches!(error, ReadError::UnknownType(_)),
        }
    }

    fn committed(&self) {
        if self.cancelled.swap(false, Ordering::Relaxed) {
            self.refunds.notify_one();
        }
    }
}

/// What the tombstone remembers, where there is no payment.
fn order(fact: ReservationCancelled) -> Order {
    Order {
        reservation_id: fact.id,
        user_id: fact.user_id,
        product_id: fact.product_id,
        product_name: fact.product_name,
        price: fact.price,
        card: MaskedCard::of(&fact.card_no),
    }
}

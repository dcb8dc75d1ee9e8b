//! Which fact triggers which use case: `ReservationCancelled` -> [`cancel()`]. The other
//! facts of the topic are not for payment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use events::{Fact, Purchase, Reservation, ReservationCancelled};
use messaging::{HandleError, Handler, ReceivedRecord, Unreadable};
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
    type Instruction = Order;

    fn instruction(&self, received: &ReceivedRecord) -> Result<Option<Order>, Unreadable> {
        let fact = received.fact()?;
        Ok(match fact.fact_type() {
            ReservationCancelled::TYPE => Some(order(fact.read::<ReservationCancelled>()?.reservation)),
            _ => None,
        })
    }

    async fn apply(&self, tx: &mut Tx, orders: Vec<Order>) -> Result<(), HandleError> {
        cancel(tx, self.payments.as_ref(), &orders, now_ms()).await?;
        self.cancelled.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn committed(&self) {
        if self.cancelled.swap(false, Ordering::Relaxed) {
            self.refunds.notify_one();
        }
    }
}

/// What the tombstone remembers, where there is no payment.
fn order(reservation: Reservation) -> Order {
    let Purchase { user_id, product_id, product_name, price } = reservation.purchase;
    Order {
        reservation_id: reservation.id,
        user_id,
        product_id,
        product_name,
        price,
        card: MaskedCard::of(&reservation.card_no),
    }
}

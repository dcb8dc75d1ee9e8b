//! Which fact triggers which use case: `ReservationCancelled` -> [`cancel()`]. The other
//! facts of the topic are not for payment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use events::{Event, ReadError, ReservationCancelled};
use failpoints::step;
use messaging::{HandleError, Handler, ReceivedRecord};
use storage::Tx;
use tokio::sync::Notify;

use crate::domain::{MaskedCard, Order};
use crate::outbound::sql::SqlPaymentStore;
use crate::use_cases::{cancel, now_ms};

pub struct ReservationEvents {
    store: SqlPaymentStore,
    /// Wakes the refund worker, once there is something committed for it.
    refunds: Arc<Notify>,
    cancelled: AtomicBool,
}

impl ReservationEvents {
    pub fn new(store: SqlPaymentStore, refunds: Arc<Notify>) -> Self {
        Self { store, refunds, cancelled: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Handler for ReservationEvents {
    async fn handle(&self, tx: &mut Tx, records: &[ReceivedRecord]) -> Result<(), HandleError> {
        step!("payment.events.received");
        let mut orders = Vec::new();
        for (index, received) in records.iter().enumerate() {
            match Event::from_json(&received.record.payload) {
                Ok(fact) => {
                    if let Event::ReservationCancelled(fact) = fact.event {
                        orders.push((index, order(fact)));
                    }
                }
                Err(ReadError::UnknownType(event_type)) => {
                    tracing::debug!(event_type, offset = received.offset, "fact of a newer release skipped");
                }
                Err(error) => return Err(HandleError::Record { index, reason: error.to_string() }),
            }
        }
        if orders.is_empty() {
            return Ok(());
        }
        let (indices, orders): (Vec<usize>, Vec<Order>) = orders.into_iter().unzip();
        let ids: Vec<i64> = orders.iter().map(|order| order.reservation_id).collect();
        let unsettled = cancel(&mut self.store.within(tx), orders, now_ms()).await?;
        if let Some((index, id)) = indices.into_iter().zip(ids).find(|(_, id)| unsettled.contains(id)) {
            let reason = format!("the payment of reservation {id} cannot be changed");
            return Err(HandleError::Record { index, reason });
        }
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

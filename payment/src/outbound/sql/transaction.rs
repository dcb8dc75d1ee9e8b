use async_trait::async_trait;
use storage::{StoreError, Tx, table};

use super::insert;
use super::record::current_trace;
use super::row::Row;
use super::update::{self, Target};
use crate::domain::{Change, Order, Payment};
use crate::use_cases::ports::Cancellations;

/// The payments inside a transaction of the consumer's.
pub struct PaymentsInTransaction<'a> {
    tx: &'a mut Tx,
    target: &'a Target,
}

impl<'a> PaymentsInTransaction<'a> {
    pub(super) fn new(tx: &'a mut Tx, target: &'a Target) -> Self {
        Self { tx, target }
    }
}

#[async_trait]
impl Cancellations for PaymentsInTransaction<'_> {
    type Error = StoreError;

    async fn of_reservations(&mut self, reservation_ids: &[i64]) -> Result<Vec<Payment>, StoreError> {
        let rows: Vec<Row> = table::find_all(self.tx, "reservation_id", reservation_ids).await?;
        Ok(rows.into_iter().map(Payment::from).collect())
    }

    async fn put_tombstones(&mut self, orders: &[Order], now: i64) -> Result<(), StoreError> {
        insert::tombstones(self.tx, orders, now).await
    }

    async fn save(&mut self, changes: &[Change]) -> Result<Vec<bool>, StoreError> {
        let traceparent = current_trace();
        let changes: Vec<_> = changes.iter().map(|change| (change, traceparent.as_deref())).collect();
        Ok(update::save(self.tx, self.target, &changes).await?)
    }
}

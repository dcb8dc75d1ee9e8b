use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use storage::{Dialect, Tx, sql};

use super::insert;
use super::record::current_trace;
use super::row::{self, COLUMNS};
use super::update::{self, Target};
use crate::domain::{Change, Order, Payment};
use crate::use_cases::ports::Cancellations;

const LARGEST_SELECT: usize = 256;

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
    type Error = sqlx::Error;

    async fn of_reservations(&mut self, reservation_ids: &[i64]) -> Result<Vec<Payment>, sqlx::Error> {
        let mut payments = Vec::with_capacity(reservation_ids.len());
        for chunk in sql::chunks(reservation_ids, LARGEST_SELECT) {
            let text = format!(
                "SELECT {COLUMNS} FROM payment WHERE reservation_id IN ({}) ORDER BY id",
                sql::placeholders(Dialect::of(self.tx), chunk.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for id in chunk {
                query = query.bind(*id);
            }
            for row in query.fetch_all(&mut **self.tx).await? {
                payments.push(row::payment(&row)?);
            }
        }
        Ok(payments)
    }

    async fn put_tombstones(&mut self, orders: &[Order], now: i64) -> Result<(), sqlx::Error> {
        insert::tombstones(self.tx, orders, now).await
    }

    async fn save(&mut self, changes: &[Change]) -> Result<Vec<bool>, sqlx::Error> {
        let traceparent = current_trace();
        let changes: Vec<_> = changes.iter().map(|change| (change, traceparent.as_deref())).collect();
        update::save(self.tx, self.target, &changes).await
    }
}

use std::collections::HashMap;

use storage::{Database, StoreError, Transact, Tx, table};

use super::row::Row;
use crate::domain::{Order, Payment, Status};

const UNLESS_THERE: &str = "ON CONFLICT (reservation_id) DO NOTHING RETURNING reservation_id, id";

/// Stores intents to charge.
pub(super) struct Intents {
    pub(super) database: Database,
}

pub(super) struct Intent {
    pub(super) order: Order,
    pub(super) now: i64,
    pub(super) traceparent: Option<String>,
}

impl Transact for Intents {
    type Request = Intent;
    /// The payment's id; `None` where the reservation has a payment already.
    type Answer = Option<i64>;

    async fn transact(&self, intents: &[Intent]) -> Result<Vec<Option<i64>>, StoreError> {
        let rows = intents.iter().map(|Intent { order, now, traceparent }| {
            Row::new(order, Status::Charging, *now, traceparent.clone())
        });
        let mut tx = self.database.begin_for(table::statements(intents.len())).await?;
        let mut ids = insert(&mut tx, rows.collect()).await?;
        tx.commit().await?;
        Ok(intents.iter().map(|intent| ids.remove(&intent.order.reservation_id)).collect())
    }
}

/// The ids of what was stored, by reservation.
async fn insert(tx: &mut Tx, mut rows: Vec<Row>) -> Result<HashMap<i64, i64>, StoreError> {
    // Two transactions that wait for each other's reservations do so in the same order. A stable sort: of two intents for
    // one reservation the first one counts.
    rows.sort_by_key(|row| row.reservation_id);
    let rows: Vec<&Row> = rows.iter().collect();
    Ok(table::insert(tx, &rows, UNLESS_THERE).await?.into_iter().collect())
}

/// Stores the tombstones of reservations that have no payment. Those that have one by now.
pub(super) async fn tombstones(tx: &mut Tx, tombstones: &[Payment]) -> Result<Vec<i64>, StoreError> {
    let rows =
        tombstones.iter().map(|payment| Row::new(&payment.order, Status::Void, payment.created_at, None));
    let stored = insert(tx, rows.collect()).await?;
    let reservations = tombstones.iter().map(|payment| payment.order.reservation_id);
    Ok(reservations.filter(|reservation| !stored.contains_key(reservation)).collect())
}

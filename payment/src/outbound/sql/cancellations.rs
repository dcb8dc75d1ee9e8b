use std::collections::HashSet;

use async_trait::async_trait;
use storage::{Changed, Folded, StoreError, Tx, table};
use telemetry::TraceContext;

use super::insert;
use super::row::Row;
use super::store::SqlPaymentStore;
use super::update;
use crate::domain::{Change, Payment};

#[async_trait]
impl Folded for SqlPaymentStore {
    type State = Payment;
    type Fact = Change;

    async fn load(&self, tx: &mut Tx, reservations: &[i64]) -> Result<Vec<(i64, Payment)>, StoreError> {
        let rows: Vec<Row> = table::find_all(tx, "reservation_id", reservations).await?;
        Ok(rows.into_iter().map(|row| (row.reservation_id, row.into())).collect())
    }

    async fn save(
        &self,
        tx: &mut Tx,
        cancelled: Vec<Changed<Payment, Change>>,
    ) -> Result<HashSet<i64>, StoreError> {
        let (tombstones, known): (Vec<_>, Vec<_>) =
            cancelled.into_iter().partition(|cancelled| cancelled.before.is_none());
        let trace = TraceContext::current_traceparent();
        let changes: Vec<Change> = known.into_iter().flat_map(|known| known.facts).collect();
        let traced: Vec<_> = changes.iter().map(|change| (change, trace.as_deref())).collect();
        let saved = update::save(tx, self.target(), &traced).await?;
        let tombstones: Vec<Payment> = tombstones.into_iter().map(|cancelled| cancelled.after).collect();
        let overtaken = insert::tombstones(tx, &tombstones).await?;
        let unsaved = changes.iter().zip(saved).filter(|(_, saved)| !saved);
        Ok(unsaved.map(|(change, _)| change.after().order.reservation_id).chain(overtaken).collect())
    }
}

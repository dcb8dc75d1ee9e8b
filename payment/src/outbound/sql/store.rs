use async_trait::async_trait;
use messaging::Outbox;
use sqlx::AssertSqlSafe;
use storage::{Database, GroupCommit, StoreError, TableRow, table};
use telemetry::TraceContext;

use super::insert::{self, Intents};
use super::row::Row;
use super::update::{Saving, Target};
use crate::domain::{Change, Order, Payment, Status};
use crate::use_cases::ports::{Intent, PaymentStore, Unfinished};

/// The condition of the partial index stands here word for word, so that both databases use it.
const UNFINISHED: &str =
    "WHERE status = $1 AND status IN ('charging', 'refunding') AND id > $2 ORDER BY id LIMIT $3";

/// Payments in SQLite or PostgreSQL; their facts go into the outbox beside them.
#[derive(Clone)]
pub struct SqlPaymentStore {
    pub(super) database: Database,
    target: Target,
    intents: GroupCommit<Intents>,
    changes: GroupCommit<Target>,
}

impl SqlPaymentStore {
    /// `outbox` lies in `database`.
    pub fn new(database: Database, outbox: Outbox) -> Self {
        let target = Target { database: database.clone(), outbox };
        Self {
            intents: GroupCommit::new(Intents { database: database.clone() }, &database),
            changes: GroupCommit::new(target.clone(), &database),
            target,
            database,
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }
}

#[async_trait]
impl PaymentStore for SqlPaymentStore {
    async fn intend(&self, order: Order, now: i64) -> Result<Intent, StoreError> {
        let intent =
            insert::Intent { order: order.clone(), now, traceparent: TraceContext::current_traceparent() };
        if let Some(id) = self.intents.submit(intent).await? {
            return Ok(Intent::Stored(Payment::charging(id, order, now)));
        }
        let found: Option<Row> = table::find(&self.database, "reservation_id", order.reservation_id).await?;
        match found {
            Some(row) => Ok(Intent::Existing(row.into())),
            None => Err(sqlx::Error::RowNotFound.into()),
        }
    }

    async fn save(&self, changes: &[Change]) -> Result<Vec<bool>, StoreError> {
        let saving = Saving { changes: changes.to_vec(), traceparent: TraceContext::current_traceparent() };
        self.changes.submit(saving).await
    }

    async fn find(&self, id: i64) -> Result<Option<Payment>, StoreError> {
        let found: Option<Row> = table::find(&self.database, "id", id).await?;
        Ok(found.map(Payment::from))
    }

    async fn unfinished(
        &self,
        status: Status,
        after_id: i64,
        limit: i64,
    ) -> Result<Vec<Unfinished>, StoreError> {
        let query = sqlx::query_as(AssertSqlSafe(Row::select(UNFINISHED)));
        let query = query.bind(status.as_str()).bind(after_id).bind(limit);
        let rows: Vec<Row> = query.fetch_all(self.database.reader()).await?;
        let unfinished = rows.into_iter().map(|mut row| {
            let traceparent = row.traceparent.take();
            Unfinished { payment: row.into(), traceparent }
        });
        Ok(unfinished.collect())
    }
}

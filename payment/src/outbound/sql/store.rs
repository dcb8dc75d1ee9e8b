use std::sync::LazyLock;

use async_trait::async_trait;
use messaging::Outbox;
use sqlx::{AssertSqlSafe, Row};
use storage::{Database, GroupCommit, StoreError};

use super::insert::{self, Intents};
use super::list;
use super::record::current_trace;
use super::row::{self, COLUMNS, NEXT_COLUMN};
use super::transaction::PaymentsInTransaction;
use super::update::{Saving, Target};
use crate::domain::{Change, Order, Payment, Status};
use crate::use_cases::ports::{Intent, ListQuery, Page, PaymentStore, Unfinished};

static FIND: LazyLock<String> = LazyLock::new(|| format!("SELECT {COLUMNS} FROM payment WHERE id = $1"));
static FIND_BY_RESERVATION: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {COLUMNS} FROM payment WHERE reservation_id = $1"));
/// The condition of the partial index stands here word for word, so that both databases use it.
static UNFINISHED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS}, traceparent FROM payment \
         WHERE status = $1 AND status IN ('charging', 'refunding') AND id > $2 ORDER BY id LIMIT $3"
    )
});

/// Payments in SQLite or PostgreSQL; their facts go into the outbox beside them.
#[derive(Clone)]
pub struct SqlPaymentStore {
    database: Database,
    target: Target,
    intents: GroupCommit<Intents>,
    changes: GroupCommit<Target>,
}

impl SqlPaymentStore {
    /// `outbox` lies in `database`; facts go to `topic`.
    pub fn new(database: Database, outbox: Outbox, topic: impl Into<String>) -> Self {
        let target = Target { outbox, topic: topic.into() };
        Self {
            intents: GroupCommit::new(Intents { database: database.clone() }, &database),
            changes: GroupCommit::new(target.clone(), &database),
            target,
            database,
        }
    }

    /// The same payments, inside a transaction that somebody else commits.
    pub fn within<'a>(&'a self, tx: &'a mut storage::Tx) -> PaymentsInTransaction<'a> {
        PaymentsInTransaction::new(tx, &self.target)
    }
}

#[async_trait]
impl PaymentStore for SqlPaymentStore {
    async fn intend(&self, order: Order, now: i64) -> Result<Intent, StoreError> {
        let intent = insert::Intent { order: order.clone(), now, traceparent: current_trace() };
        if let Some(id) = self.intents.submit(intent).await? {
            return Ok(Intent::Stored(Payment::charging(id, order, now)));
        }
        let row = sqlx::query(AssertSqlSafe(FIND_BY_RESERVATION.as_str()))
            .bind(order.reservation_id)
            .fetch_one(self.database.reader())
            .await?;
        Ok(Intent::Existing(row::payment(&row)?))
    }

    async fn save(&self, changes: &[Change]) -> Result<Vec<bool>, StoreError> {
        let saving = Saving { changes: changes.to_vec(), traceparent: current_trace() };
        self.changes.submit(saving).await
    }

    async fn find(&self, id: i64) -> Result<Option<Payment>, StoreError> {
        let row =
            sqlx::query(AssertSqlSafe(FIND.as_str())).bind(id).fetch_optional(self.database.reader()).await?;
        Ok(row.as_ref().map(row::payment).transpose()?)
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        Ok(list::list(self.database.reader(), query).await?)
    }

    async fn unfinished(
        &self,
        status: Status,
        after_id: i64,
        limit: i64,
    ) -> Result<Vec<Unfinished>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(UNFINISHED.as_str()))
            .bind(status.as_str())
            .bind(after_id)
            .bind(limit)
            .fetch_all(self.database.reader())
            .await?;
        rows.iter()
            .map(|row| Ok(Unfinished { payment: row::payment(row)?, traceparent: row.try_get(NEXT_COLUMN)? }))
            .collect()
    }
}

//! The SQL adapter of [`ReceiptStore`]: one text for SQLite and PostgreSQL.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use messaging::Outbox;
use storage::{Changed, Database, Folded, ListQuery, Listing, Readable, StoreError, Tx, Window, table};

use crate::domain::{Purchase, Receipt, Status, Told};
use crate::use_cases::ports::{Field, ReceiptStore};

/// Schema of this service's own tables.
pub static MIGRATIONS: storage::Migrations = storage::migrations!("migrations/sqlite", "migrations/postgres");

const STANDING: Listing<Receipt> = Listing::of("status = 'receipt_issued'");

storage::table! {
    "receipt" (
        id, reservation_id, payment_id, user_id, product_id, product_name, price, paid_at, status, version, created_at,
        modified_at,
    ) as Receipt {
        id,
        reservation_id,
        purchase: Purchase { payment_id, user_id, product_id, product_name, price, paid_at },
        status,
        version,
        created_at,
        modified_at,
    }
}
storage::text_column!(Status);

pub struct SqlReceiptStore {
    database: Database,
    outbox: Outbox,
}

impl SqlReceiptStore {
    pub fn new(database: Database, outbox: Outbox) -> Self {
        Self { database, outbox }
    }
}

#[async_trait]
impl Folded for SqlReceiptStore {
    type State = Receipt;
    type Fact = (Told, Option<String>);

    async fn load(&self, tx: &mut Tx, reservations: &[i64]) -> Result<Vec<(i64, Receipt)>, StoreError> {
        let receipts: Vec<Receipt> = table::find_all(tx, "reservation_id", reservations).await?;
        Ok(receipts.into_iter().map(|receipt| (receipt.reservation_id, receipt)).collect())
    }

    /// The position read is this consumer's, so nobody else changes these receipts.
    async fn save(
        &self,
        tx: &mut Tx,
        changes: Vec<Changed<Receipt, Self::Fact>>,
    ) -> Result<HashSet<i64>, StoreError> {
        let (new, known): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.before.is_none());
        let new: Vec<&Receipt> = new.into_iter().map(|change| &change.after).collect();
        let ids: Vec<(i64, i64)> = table::insert(tx, &new, "RETURNING reservation_id, id").await?;
        let ids: HashMap<i64, i64> = ids.into_iter().collect();
        for Changed { after, .. } in known {
            sqlx::query("UPDATE receipt SET status = $1, version = $2, modified_at = $3 WHERE id = $4")
                .bind(after.status.as_str())
                .bind(after.version)
                .bind(after.modified_at)
                .bind(after.id)
                .execute(&mut **tx)
                .await?;
        }
        let mut told = Vec::new();
        for Changed { key, mut after, facts, .. } in changes {
            after.id = ids.get(&key).copied().unwrap_or(after.id);
            told.extend(facts.into_iter().map(|(told, trace)| after.fact(told).caused_by(trace)));
        }
        self.outbox.tell(tx, &told).await?;
        Ok(HashSet::new())
    }
}

impl ReceiptStore for SqlReceiptStore {}

#[async_trait]
impl Readable for SqlReceiptStore {
    type Item = Receipt;
    type Field = Field;

    async fn item(&self, id: i64) -> Result<Option<Receipt>, StoreError> {
        STANDING.find(&self.database, id).await
    }

    async fn list(&self, query: &ListQuery<Field>) -> Result<(Vec<Receipt>, i64), StoreError> {
        let (filter, order) = query.columns(column);
        let window = Window { offset: query.offset, limit: query.limit, order: &order };
        STANDING.page(&self.database, filter, &window).await
    }
}

fn column(field: Field) -> &'static str {
    match field {
        // Ids are given in the order of creation, so `createdAt` needs no index of its own.
        Field::Id | Field::CreatedAt => "id",
        Field::UserId => "user_id",
        Field::Price => "price",
    }
}

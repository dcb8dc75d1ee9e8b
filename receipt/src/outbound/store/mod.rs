//! The SQL adapter of [`ReceiptStore`]: one text for SQLite and PostgreSQL.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use events::Purchase;
use messaging::Outbox;
use storage::{Changed, Database, Folded, Listed, Listing, StoreError, Tx, table};

use crate::domain::{Receipt, Status};
use crate::use_cases::ports::{Field, ReceiptStore};

/// Schema of this service's own tables.
pub static MIGRATIONS: storage::Migrations = storage::migrations!("migrations/sqlite", "migrations/postgres");

storage::table! {
    "receipt" (
        id, reservation_id, payment_id, user_id, product_id, product_name, price, paid_at, status, version, created_at,
        modified_at,
    ) as Receipt {
        id,
        reservation_id,
        payment_id,
        purchase: Purchase { user_id, product_id, product_name, price },
        paid_at,
        status,
        version,
        created_at,
        modified_at,
    }
}
storage::text_column!(Status);

pub struct SqlReceiptStore {
    pub database: Database,
    pub outbox: Outbox,
}

#[async_trait]
impl Folded for SqlReceiptStore {
    type State = Receipt;
    type Fact = (Receipt, Option<String>);

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
            table::update(tx, after, after.id).await?;
        }
        let mut told = Vec::new();
        for Changed { key, after, facts, .. } in changes {
            let id = ids.get(&key).copied().unwrap_or(after.id);
            for (receipt, trace) in facts {
                told.extend(Receipt { id, ..receipt }.fact().map(|fact| fact.caused_by(trace)));
            }
        }
        self.outbox.tell(tx, &told).await?;
        Ok(HashSet::new())
    }
}

impl ReceiptStore for SqlReceiptStore {}

impl Listed for SqlReceiptStore {
    type Row = Receipt;
    type Item = Receipt;
    type Field = Field;
    const LISTING: Listing<Receipt> = Listing::of("status = 'receipt_issued'");

    fn database(&self) -> &Database {
        &self.database
    }

    fn column(field: Field) -> &'static str {
        match field {
            // Ids are given in the order of creation, so `createdAt` needs no index of its own.
            Field::Id | Field::CreatedAt => "id",
            Field::UserId => "user_id",
            Field::Price => "price",
        }
    }
}

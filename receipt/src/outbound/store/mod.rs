//! The SQL adapter of [`ReceiptStore`]: one text for SQLite and PostgreSQL.

use std::collections::HashMap;

use async_trait::async_trait;
use messaging::{Outbox, Record};
use storage::{Database, Listing, StoreError, Tx, Window, now_ms, table};

use crate::domain::{Purchase, Receipt, Status};
use crate::use_cases::ports::{ListQuery, ReceiptStore, Telling};

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
    topic: String,
}

impl SqlReceiptStore {
    pub fn new(database: Database, outbox: Outbox, topic: String) -> Self {
        Self { database, outbox, topic }
    }
}

#[async_trait]
impl ReceiptStore for SqlReceiptStore {
    async fn of_reservations(&self, tx: &mut Tx, ids: &[i64]) -> Result<Vec<Receipt>, StoreError> {
        table::find_all(tx, "reservation_id", ids).await
    }

    async fn add(&self, tx: &mut Tx, receipts: &mut [&mut Receipt]) -> Result<(), StoreError> {
        let rows: Vec<&Receipt> = receipts.iter().map(|receipt| &**receipt).collect();
        let ids: Vec<(i64, i64)> = table::insert(tx, &rows, "RETURNING reservation_id, id").await?;
        let ids: HashMap<i64, i64> = ids.into_iter().collect();
        for receipt in receipts {
            if let Some(id) = ids.get(&receipt.reservation_id) {
                receipt.id = *id;
            }
        }
        Ok(())
    }

    async fn update(&self, tx: &mut Tx, receipts: &[&Receipt]) -> Result<(), StoreError> {
        for receipt in receipts {
            sqlx::query("UPDATE receipt SET status = $1, version = $2, modified_at = $3 WHERE id = $4")
                .bind(receipt.status.as_str())
                .bind(receipt.version)
                .bind(receipt.modified_at)
                .bind(receipt.id)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }

    async fn tell(&self, tx: &mut Tx, facts: &[Telling]) -> Result<(), StoreError> {
        let timestamp_ms = now_ms();
        let records: Vec<Record> = facts
            .iter()
            .map(|Telling { event, traceparent }| {
                let ce_id = format!("{}.{}", event.key(), event.version());
                let headers = events::headers(event, "receipt", &ce_id, timestamp_ms, traceparent.as_deref());
                Record {
                    topic: self.topic.clone(),
                    key: Some(event.key()),
                    payload: event.to_json(timestamp_ms),
                    headers,
                    timestamp_ms,
                }
            })
            .collect();
        Ok(self.outbox.append(tx, &records).await?)
    }

    async fn find(&self, id: i64) -> Result<Option<Receipt>, StoreError> {
        STANDING.find(&self.database, id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<(Vec<Receipt>, i64), StoreError> {
        let window = Window { offset: query.offset, limit: query.limit, order: &query.order };
        let filter = query.user_id.map(|user_id| ("user_id", user_id));
        STANDING.page(&self.database, filter, &window).await
    }
}

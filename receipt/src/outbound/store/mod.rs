//! The SQL adapter of [`ReceiptStore`]: one text for SQLite and PostgreSQL.

mod rows;

use std::collections::HashMap;

use async_trait::async_trait;
use messaging::{Outbox, Record};
use sqlx::AssertSqlSafe;
use storage::{Database, Dialect, Listing, StoreError, Tx, Window, now_ms, sql};

use crate::domain::Receipt;
use crate::use_cases::ports::{ListQuery, ReceiptStore, Telling};
use rows::COLUMNS;

/// Schema of this service's own tables.
pub static MIGRATIONS: storage::Migrations = storage::Migrations { sqlite: &SQLITE, postgres: &POSTGRES };
static SQLITE: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

const STANDING: Listing = Listing {
    table: "receipt",
    columns: COLUMNS,
    predicate: "status = 'receipt_issued'",
    counter: "receipt",
    ranges: false,
};
/// Most rows in one statement.
const LARGEST: usize = 128;

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
        let mut receipts = Vec::new();
        for chunk in sql::chunks(ids, LARGEST) {
            let text = format!(
                "SELECT {COLUMNS} FROM receipt WHERE reservation_id IN ({})",
                sql::placeholders(Dialect::of(tx), chunk.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for id in chunk {
                query = query.bind(*id);
            }
            for row in query.fetch_all(&mut **tx).await? {
                receipts.push(rows::receipt(&row)?);
            }
        }
        Ok(receipts)
    }

    async fn add(&self, tx: &mut Tx, receipts: &mut [&mut Receipt]) -> Result<(), StoreError> {
        let mut ids = HashMap::with_capacity(receipts.len());
        for chunk in sql::chunks(receipts, LARGEST) {
            let text = format!(
                "INSERT INTO receipt (reservation_id, payment_id, user_id, product_id, product_name, price, paid_at, \
                 status, version, created_at, modified_at) VALUES {} RETURNING reservation_id, id",
                sql::values(Dialect::of(tx), chunk.len(), rows::INSERTED)
            );
            let mut query = sqlx::query_as::<_, (i64, i64)>(AssertSqlSafe(text));
            for receipt in chunk {
                query = rows::bind(query, receipt);
            }
            ids.extend(query.fetch_all(&mut **tx).await?);
        }
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
        let row = sqlx::query(rows::FIND).bind(id).fetch_optional(self.database.reader()).await?;
        Ok(row.as_ref().map(rows::receipt).transpose()?)
    }

    async fn list(&self, query: &ListQuery) -> Result<(Vec<Receipt>, i64), StoreError> {
        let window = Window { offset: query.offset, limit: query.limit, order: &query.order };
        let filter = query.user_id.map(|user_id| ("user_id", user_id));
        let (rows, total) = STANDING.page(&self.database, filter, &window).await?;
        let items = rows.iter().map(rows::receipt).collect::<Result<_, _>>()?;
        Ok((items, total))
    }
}

use std::collections::HashMap;

use sqlx::{AnyConnection, AssertSqlSafe};
use storage::{Database, Dialect, StoreError, Transact, Tx, sql};

use crate::domain::{Order, Status};

const COLUMNS: &str = "reservation_id, user_id, product_id, product_name, price, card_no, status, version, \
     created_at, modified_at, traceparent";
const COLUMN_COUNT: usize = 11;
const LARGEST_INSERT: usize = 64;

fn text(dialect: Dialect, rows: usize) -> String {
    format!(
        "INSERT INTO payment ({COLUMNS}) VALUES {} ON CONFLICT (reservation_id) DO NOTHING",
        sql::values(dialect, rows, COLUMN_COUNT)
    )
}

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
        let mut order: Vec<usize> = (0..intents.len()).collect();
        // Two transactions that wait for each other's reservations do so in the same order. A stable sort: of two intents for
        // one reservation the first one counts.
        order.sort_by_key(|index| intents[*index].order.reservation_id);
        let mut ids = HashMap::with_capacity(intents.len());
        let chunks: Vec<_> = sql::chunks(&order, LARGEST_INSERT).collect();
        let mut tx = self.database.begin_for(chunks.len()).await?;
        for chunk in chunks {
            let intents = chunk.iter().map(|index| &intents[*index]);
            ids.extend(insert(&mut tx, intents, chunk.len()).await?);
        }
        tx.commit().await?;
        Ok(intents.iter().map(|intent| ids.remove(&intent.order.reservation_id)).collect())
    }
}

/// One statement; the ids of what was stored, by reservation.
async fn insert(
    connection: &mut AnyConnection,
    intents: impl Iterator<Item = &Intent>,
    count: usize,
) -> Result<HashMap<i64, i64>, sqlx::Error> {
    let mut query = sqlx::query_as(AssertSqlSafe(format!(
        "{} RETURNING reservation_id, id",
        text(Dialect::of(connection), count)
    )));
    for Intent { order, now, traceparent } in intents {
        query = query
            .bind(order.reservation_id)
            .bind(order.user_id)
            .bind(order.product_id)
            .bind(order.product_name.as_str())
            .bind(order.price)
            .bind(order.card.as_str())
            .bind(Status::Charging.as_str())
            .bind(0_i64)
            .bind(*now)
            .bind(*now)
            .bind(traceparent.as_deref());
    }
    Ok(query.fetch_all(connection).await?.into_iter().collect())
}

/// A `void` payment for each reservation that has none.
pub(super) async fn tombstones(tx: &mut Tx, orders: &[Order], now: i64) -> Result<(), sqlx::Error> {
    let mut sorted: Vec<&Order> = orders.iter().collect();
    // As the intents: who waits for the other's reservations does so in the same order.
    sorted.sort_by_key(|order| order.reservation_id);
    for chunk in sql::chunks(&sorted, LARGEST_INSERT) {
        let mut query = sqlx::query(AssertSqlSafe(text(Dialect::of(tx), chunk.len())));
        for order in chunk {
            query = query
                .bind(order.reservation_id)
                .bind(order.user_id)
                .bind(order.product_id)
                .bind(order.product_name.as_str())
                .bind(order.price)
                .bind(order.card.as_str())
                .bind(Status::Void.as_str())
                .bind(0_i64)
                .bind(now)
                .bind(now)
                .bind(None::<String>);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

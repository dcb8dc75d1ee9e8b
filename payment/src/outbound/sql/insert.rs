use std::sync::LazyLock;

use sqlx::{AnyPool, AssertSqlSafe};
use storage::{Tx, sql};
use telemetry::TraceContext;

use crate::domain::{Order, Status};

const COLUMNS: &str = "reservation_id, user_id, product_id, product_name, price, card_no, status, version, \
     created_at, modified_at, traceparent";
const COLUMN_COUNT: usize = 11;
const LARGEST_INSERT: usize = 64;

static INTENT: LazyLock<String> = LazyLock::new(|| format!("{} RETURNING id", text(1)));

fn text(rows: usize) -> String {
    format!(
        "INSERT INTO payment ({COLUMNS}) VALUES {} ON CONFLICT (reservation_id) DO NOTHING",
        sql::values(rows, COLUMN_COUNT)
    )
}

/// The intent: one statement, a transaction of its own. `None` where the reservation has a payment already.
pub(super) async fn intent(database: &AnyPool, order: &Order, now: i64) -> Result<Option<i64>, sqlx::Error> {
    let traceparent = TraceContext::current().map(|trace| trace.to_string());
    sqlx::query_scalar(AssertSqlSafe(INTENT.as_str()))
        .bind(order.reservation_id)
        .bind(order.user_id)
        .bind(order.product_id)
        .bind(order.product_name.as_str())
        .bind(order.price)
        .bind(order.card.as_str())
        .bind(Status::Charging.as_str())
        .bind(0_i64)
        .bind(now)
        .bind(now)
        .bind(traceparent)
        .fetch_optional(database)
        .await
}

/// A `void` payment for each reservation that has none.
pub(super) async fn tombstones(tx: &mut Tx, orders: &[Order], now: i64) -> Result<(), sqlx::Error> {
    for chunk in sql::chunks(orders, LARGEST_INSERT) {
        let mut query = sqlx::query(AssertSqlSafe(text(chunk.len())));
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

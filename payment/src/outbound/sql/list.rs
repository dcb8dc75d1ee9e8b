use storage::{Database, Listing, Order, StoreError, Window};

use super::row::Row;
use crate::domain::Payment;
use crate::use_cases::ports::{ListQuery, Page, SortField};

const PAID: Listing<Row> = Listing::of("status = 'paid'");
const OF_USER: &str = "user_id";

pub(super) async fn list(database: &Database, query: &ListQuery) -> Result<Page, StoreError> {
    let order = [order(query)];
    let window = Window { offset: query.offset, limit: query.limit, order: &order };
    let filter = query.user_id.map(|user_id| (OF_USER, user_id));
    let (rows, total) = PAID.page(database, filter, &window).await?;
    let payments = rows.into_iter().map(Payment::from).collect();
    Ok(Page { payments, total: u64::try_from(total).unwrap_or_default() })
}

/// Each is the order of one of the migration's indexes, in either direction.
fn order(query: &ListQuery) -> Order {
    let column = match query.sort {
        SortField::Id => "id",
        // All of a user's payments have the same user.
        SortField::UserId if query.user_id.is_some() => "id",
        SortField::UserId => OF_USER,
        SortField::Price => "price",
        SortField::CreatedAt => "created_at",
    };
    (column, query.descending)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sqlx::{AssertSqlSafe, Row as _};
    use storage::DatabaseSettings;

    use super::*;
    use crate::outbound::sql::MIGRATIONS;

    /// Neither a sort nor a scan: whatever is offered reads along an index.
    #[tokio::test]
    async fn every_offered_order_has_its_index() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("payment.db").display());
        let settings = DatabaseSettings {
            url: url.into(),
            max_connections: 1,
            acquire_timeout_ms: 5_000,
            migrate: true,
            commit_delay_ms: 0,
            synchronous_commit: true,
            initialization_fail_timeout_ms: 0,
        };
        let database = Database::open(&settings, &[MIGRATIONS]).await.unwrap();
        let orders = [SortField::Id, SortField::UserId, SortField::Price, SortField::CreatedAt]
            .into_iter()
            .flat_map(|sort| {
                [None, Some(1)].map(|user_id| ListQuery {
                    user_id,
                    sort,
                    descending: false,
                    offset: 0,
                    limit: 20,
                })
            });
        let lists = orders.flat_map(|query| {
            let of_user = query.user_id.map(|_| "user_id =");
            [(false, false), (true, false), (false, true), (true, true)]
                .map(|(reversed, deep)| (PAID.statement(of_user, &[order(&query)], reversed, deep), deep))
        });
        let total_of_user = "SELECT COUNT(*) FROM payment WHERE status = 'paid' AND user_id = $1";
        for (text, deep) in lists.chain([(total_of_user.to_owned(), false)]) {
            let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")))
                .bind(1_i64)
                .bind(0_i64)
                .bind(1_i64)
                .fetch_all(database.reader())
                .await
                .unwrap();
            let steps: Vec<String> = plan.iter().map(|step| step.get::<String, _>("detail")).collect();
            let along = if deep { "COVERING INDEX payment_" } else { "INDEX payment_" };
            assert!(steps.iter().any(|step| step.contains(along)), "{text}: {steps:?}");
            // Where the rows were found on the index, the few of the page are sorted once more.
            assert!(deep || steps.len() == 1, "{text}: {steps:?}");
        }
        database.close().await;
    }
}

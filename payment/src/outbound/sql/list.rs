//! The payments that clients see.

use storage::{Database, Listed, Listing};

use super::row::Row;
use super::store::SqlPaymentStore;
use crate::domain::Payment;
use crate::use_cases::ports::Field;

impl Listed for SqlPaymentStore {
    type Row = Row;
    type Item = Payment;
    type Field = Field;
    const LISTING: Listing<Row> = Listing::of("status = 'paid'");

    fn database(&self) -> &Database {
        &self.database
    }

    /// Each is the order of one of the migration's indexes, in either direction.
    fn column(field: Field) -> &'static str {
        match field {
            Field::Id => "id",
            Field::UserId => "user_id",
            Field::Price => "price",
            Field::CreatedAt => "created_at",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sqlx::{AssertSqlSafe, Row as _};
    use storage::{DatabaseSettings, ListQuery};

    use super::*;
    use crate::outbound::sql::MIGRATIONS;

    /// Every order that is offered reads along an index: no plan has a sort or a scan of the table.
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
        let orders =
            [Field::Id, Field::UserId, Field::Price, Field::CreatedAt].into_iter().flat_map(|field| {
                [None, Some((Field::UserId, 1))].map(|filter| ListQuery {
                    filter,
                    order: vec![(field, false)],
                    ..ListQuery::default()
                })
            });
        let lists = orders.flat_map(|query| {
            let (filter, order) = query.columns(SqlPaymentStore::column);
            let of_user = filter.map(|_| "user_id =");
            [(false, false), (true, false), (false, true), (true, true)].map(|(reversed, deep)| {
                (SqlPaymentStore::LISTING.statement(of_user, &order, reversed, deep), deep)
            })
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

use sqlx::AssertSqlSafe;
use storage::Connections;

use super::row::{self, COLUMNS};
use crate::domain::Payment;
use crate::use_cases::ports::{ListQuery, Page, SortField};

/// Skipping more rows than this is done on the index alone, without looking at the rows.
const DEEP: i64 = 200;

const TOTAL: &str = "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM row_count WHERE name = 'payment'";
const TOTAL_OF_USER: &str = "SELECT COUNT(*) FROM payment WHERE status = 'paid' AND user_id = $1";

pub(super) async fn list(database: &Connections, query: &ListQuery) -> Result<Page, sqlx::Error> {
    let total = match query.user_id {
        None => sqlx::query_scalar::<_, i64>(TOTAL).fetch_one(database).await?,
        Some(user_id) => {
            sqlx::query_scalar::<_, i64>(TOTAL_OF_USER).bind(user_id).fetch_one(database).await?
        }
    };
    let payments = match window(query, total) {
        Some(window) => rows(database, query, &window).await?,
        None => Vec::new(),
    };
    Ok(Page { payments, total: u64::try_from(total).unwrap_or_default() })
}

/// The rows to read, from the end that is nearer.
struct Window {
    from_the_end: bool,
    skip: i64,
    take: i64,
}

/// `None`: past the end.
fn window(query: &ListQuery, total: i64) -> Option<Window> {
    let take = query.limit.min(total - query.offset);
    if take <= 0 {
        return None;
    }
    let behind = total - query.offset - take;
    Some(if behind < query.offset {
        Window { from_the_end: true, skip: behind, take }
    } else {
        Window { from_the_end: false, skip: query.offset, take }
    })
}

async fn rows(
    database: &Connections,
    query: &ListQuery,
    window: &Window,
) -> Result<Vec<Payment>, sqlx::Error> {
    let text = text(query, window.from_the_end, window.skip > DEEP);
    let mut statement = sqlx::query(AssertSqlSafe(text)).bind(window.take).bind(window.skip);
    if let Some(user_id) = query.user_id {
        statement = statement.bind(user_id);
    }
    let rows = statement.fetch_all(database).await?;
    let mut payments = rows.iter().map(row::payment).collect::<Result<Vec<_>, _>>()?;
    if window.from_the_end {
        payments.reverse();
    }
    Ok(payments)
}

/// Each of them reads along one of the indexes of the migration, in either direction.
fn text(query: &ListQuery, reversed: bool, deep: bool) -> String {
    let direction = if query.descending != reversed { "DESC" } else { "ASC" };
    let of_user = if query.user_id.is_some() { " AND user_id = $3" } else { "" };
    let order = match query.sort {
        SortField::Id => format!("id {direction}"),
        // All of a user's payments have the same user.
        SortField::UserId if query.user_id.is_some() => format!("id {direction}"),
        SortField::UserId => format!("user_id {direction}, id {direction}"),
        SortField::Price => format!("price {direction}, id {direction}"),
        SortField::CreatedAt => format!("created_at {direction}, id {direction}"),
    };
    let page = format!("FROM payment WHERE status = 'paid'{of_user} ORDER BY {order} LIMIT $1 OFFSET $2");
    if deep {
        format!("SELECT {COLUMNS} FROM payment WHERE id IN (SELECT id {page}) ORDER BY {order}")
    } else {
        format!("SELECT {COLUMNS} {page}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sqlx::Row;
    use storage::{Database, DatabaseSettings};

    use super::*;
    use crate::outbound::sql::MIGRATIONS;

    fn query(offset: i64, limit: i64) -> ListQuery {
        ListQuery { user_id: None, sort: SortField::Id, descending: false, offset, limit }
    }

    #[test]
    fn far_pages_are_read_from_the_end() {
        let far = window(&query(980, 20), 1_000).map(|w| (w.from_the_end, w.skip, w.take));
        assert_eq!(far, Some((true, 0, 20)));
        let near = window(&query(20, 20), 1_000).map(|w| (w.from_the_end, w.skip, w.take));
        assert_eq!(near, Some((false, 20, 20)));
        let last = window(&query(1_000, 20), 1_005).map(|w| (w.from_the_end, w.skip, w.take));
        assert_eq!(last, Some((true, 0, 5)));
        assert!(window(&query(1_000, 20), 1_000).is_none());
        assert!(window(&query(i64::MAX, 1_000), 5).is_none());
        assert!(window(&query(0, 20), 0).is_none());
    }

    /// Neither a sort nor a scan: whatever is offered reads along an index.
    #[tokio::test]
    async fn every_offered_order_has_its_index() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("payment.db").display());
        let settings = DatabaseSettings {
            url,
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
            .flat_map(|sort| [None, Some(1)].map(|user_id| ListQuery { user_id, sort, ..query(0, 20) }));
        let lists = orders.flat_map(|order| {
            [(false, false), (true, false), (false, true), (true, true)]
                .map(|(reversed, deep)| (text(&order, reversed, deep), deep))
        });
        for (text, deep) in lists.chain([(TOTAL_OF_USER.to_owned(), false)]) {
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

//! Pages of a table that stay fast at a million rows.
//!
//! Totals come from counters that triggers maintain (`row_count (name, slot, n)`), every order has its index, and
//! a page beyond the middle is read from the other end.

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::database::Database;

/// What of a table is listed.
pub struct Listing {
    pub table: &'static str,
    pub columns: &'static str,
    /// The predicate of the partial indexes, letter for letter.
    pub predicate: &'static str,
    /// The counter's name in `row_count`.
    pub counter: &'static str,
}

/// A column and whether it descends.
pub type Order = (&'static str, bool);

/// Which rows of the list.
pub struct Window<'a> {
    pub offset: i64,
    pub limit: i64,
    pub order: &'a [Order],
}

impl Listing {
    /// The window's rows and how many there are in all. `filter` is a column that must equal a value.
    ///
    /// # Errors
    /// The database's.
    pub async fn page(
        &self,
        database: &Database,
        filter: Option<(&'static str, i64)>,
        window: &Window<'_>,
    ) -> Result<(Vec<AnyRow>, i64), sqlx::Error> {
        let total = self.total(database, filter).await?;
        if window.offset >= total {
            return Ok((Vec::new(), total));
        }
        let from_the_end = window.offset > total / 2;
        let (offset, limit) = if from_the_end {
            let limit = window.limit.min(total - window.offset);
            (total - window.offset - limit, limit)
        } else {
            (window.offset, window.limit)
        };
        let text = self.select(filter.map(|(column, _)| column), window.order, from_the_end);
        let mut query = sqlx::query(AssertSqlSafe(text)).bind(limit).bind(offset);
        if let Some((_, value)) = filter {
            query = query.bind(value);
        }
        let mut rows = query.fetch_all(database.reader()).await?;
        if from_the_end {
            rows.reverse();
        }
        Ok((rows, total))
    }

    async fn total(
        &self,
        database: &Database,
        filter: Option<(&'static str, i64)>,
    ) -> Result<i64, sqlx::Error> {
        match filter {
            None => {
                sqlx::query_scalar(
                    "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM row_count WHERE name = $1",
                )
                .bind(self.counter)
                .fetch_one(database.reader())
                .await
            }
            Some((column, value)) => {
                let text =
                    format!("SELECT COUNT(*) FROM {} WHERE {} AND {column} = $1", self.table, self.predicate);
                sqlx::query_scalar(AssertSqlSafe(text)).bind(value).fetch_one(database.reader()).await
            }
        }
    }

    fn select(&self, filter: Option<&str>, order: &[Order], reversed: bool) -> String {
        let filter = filter.map_or_else(String::new, |column| format!(" AND {column} = $3"));
        let mut terms: Vec<String> = Vec::with_capacity(order.len() + 1);
        let mut direction = false;
        for (column, descending) in order {
            direction = *descending;
            terms.push(term(column, direction != reversed));
        }
        // The id makes the order total, in the last term's direction so that one index serves both.
        if !order.iter().any(|(column, _)| *column == "id") {
            terms.push(term("id", direction != reversed));
        }
        format!(
            "SELECT {} FROM {} WHERE {}{filter} ORDER BY {} LIMIT $1 OFFSET $2",
            self.columns,
            self.table,
            self.predicate,
            terms.join(", ")
        )
    }
}

fn term(column: &str, descending: bool) -> String {
    format!("{column} {}", if descending { "DESC" } else { "ASC" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: Listing =
        Listing { table: "thing", columns: "id, price", predicate: "gone = 0", counter: "thing" };

    #[test]
    fn the_id_breaks_ties_in_the_direction_of_the_last_term() {
        assert_eq!(
            LISTING.select(None, &[("price", true)], false),
            "SELECT id, price FROM thing WHERE gone = 0 ORDER BY price DESC, id DESC LIMIT $1 OFFSET $2"
        );
        assert_eq!(
            LISTING.select(Some("user_id"), &[("id", false)], true),
            "SELECT id, price FROM thing WHERE gone = 0 AND user_id = $3 ORDER BY id DESC LIMIT $1 OFFSET $2"
        );
    }
}

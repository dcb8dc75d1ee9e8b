//! Pages of a table that stay fast at a million rows.
//!
//! Totals come from counters (`row_count (name, slot, n)`), every order has its index, a page beyond the middle is read
//! from the other end, and one far from both ends, in the order of ids, by the counters of ranges ([`crate::ranges`]).

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::database::Database;
use crate::ranges;
use crate::store_error::StoreError;

/// So many rows are passed faster than the counters of ranges are read.
const NEAR: i64 = 1024;

/// What of a table is listed.
pub struct Listing {
    pub table: &'static str,
    pub columns: &'static str,
    /// The predicate of the partial indexes, letter for letter.
    pub predicate: &'static str,
    /// The counter's name in `row_count`.
    pub counter: &'static str,
    /// Whether rows are counted by [`range_counters`](crate::range_counters) too.
    pub ranges: bool,
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
    ) -> Result<(Vec<AnyRow>, i64), StoreError> {
        let total = self.total(database, filter).await?;
        if self.ranges
            && filter.is_none()
            && let Some(descending) = by_id(window.order)
            && let Some(rows) = self.read_by_ranges(database, window, total, descending).await?
        {
            return Ok((rows, total));
        }
        Ok((self.walk(database, filter, window, total).await?, total))
    }

    /// `None`: the page is near one of the ends, or the counters do not know where it is.
    async fn read_by_ranges(
        &self,
        database: &Database,
        window: &Window<'_>,
        total: i64,
        descending: bool,
    ) -> Result<Option<Vec<AnyRow>>, StoreError> {
        let limit = window.limit.min(total - window.offset);
        let behind = total - window.offset - limit;
        if window.offset.min(behind) <= NEAR {
            return Ok(None);
        }
        let position = if descending { behind } else { window.offset };
        let Some(start) = ranges::seek(database, self.counter, position).await? else { return Ok(None) };
        let text = self.select(Some("id >="), &[("id", false)], false);
        let query = sqlx::query(AssertSqlSafe(text)).bind(limit).bind(start.skip).bind(start.id);
        let mut rows = query.fetch_all(database.reader()).await?;
        if descending {
            rows.reverse();
        }
        Ok(Some(rows))
    }

    /// Passes the rows before the window, from the end that is nearer.
    async fn walk(
        &self,
        database: &Database,
        filter: Option<(&'static str, i64)>,
        window: &Window<'_>,
        total: i64,
    ) -> Result<Vec<AnyRow>, StoreError> {
        if window.offset >= total {
            return Ok(Vec::new());
        }
        let from_the_end = window.offset > total / 2;
        let (offset, limit) = if from_the_end {
            let limit = window.limit.min(total - window.offset);
            (total - window.offset - limit, limit)
        } else {
            (window.offset, window.limit)
        };
        let condition = filter.map(|(column, _)| format!("{column} ="));
        let text = self.select(condition.as_deref(), window.order, from_the_end);
        let mut query = sqlx::query(AssertSqlSafe(text)).bind(limit).bind(offset);
        if let Some((_, value)) = filter {
            query = query.bind(value);
        }
        let mut rows = query.fetch_all(database.reader()).await?;
        if from_the_end {
            rows.reverse();
        }
        Ok(rows)
    }

    async fn total(
        &self,
        database: &Database,
        filter: Option<(&'static str, i64)>,
    ) -> Result<i64, StoreError> {
        match filter {
            None => {
                let text = "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM row_count WHERE name = $1";
                Ok(sqlx::query_scalar(text).bind(self.counter).fetch_one(database.reader()).await?)
            }
            Some((column, value)) => {
                let text =
                    format!("SELECT COUNT(*) FROM {} WHERE {} AND {column} = $1", self.table, self.predicate);
                let query = sqlx::query_scalar(AssertSqlSafe(text)).bind(value);
                Ok(query.fetch_one(database.reader()).await?)
            }
        }
    }

    /// `condition` lacks its value: `user_id =`
    fn select(&self, condition: Option<&str>, order: &[Order], reversed: bool) -> String {
        let condition = condition.map_or_else(String::new, |condition| format!(" AND {condition} $3"));
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
            "SELECT {} FROM {} WHERE {}{condition} ORDER BY {} LIMIT $1 OFFSET $2",
            self.columns,
            self.table,
            self.predicate,
            terms.join(", ")
        )
    }
}

/// Whether it descends, if it is the order of ids. What comes behind the id orders nothing.
fn by_id(order: &[Order]) -> Option<bool> {
    match order {
        [] => Some(false),
        [("id", descending), ..] => Some(*descending),
        _ => None,
    }
}

fn term(column: &str, descending: bool) -> String {
    format!("{column} {}", if descending { "DESC" } else { "ASC" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: Listing = Listing {
        table: "thing",
        columns: "id, price",
        predicate: "gone = 0",
        counter: "thing",
        ranges: false,
    };

    #[test]
    fn the_id_breaks_ties_in_the_direction_of_the_last_term() {
        assert_eq!(
            LISTING.select(None, &[("price", true)], false),
            "SELECT id, price FROM thing WHERE gone = 0 ORDER BY price DESC, id DESC LIMIT $1 OFFSET $2"
        );
        assert_eq!(
            LISTING.select(Some("user_id ="), &[("id", false)], true),
            "SELECT id, price FROM thing WHERE gone = 0 AND user_id = $3 ORDER BY id DESC LIMIT $1 OFFSET $2"
        );
    }
}

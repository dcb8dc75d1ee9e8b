//! Pages of a table that stay fast at a million rows.
//!
//! Totals come from counters (`row_count (name, slot, n)`), every order has its index, a page beyond the middle is read
//! from the other end, and one far from both ends, in the order of ids, by the counters of ranges ([`crate::ranges`]).

use std::marker::PhantomData;

use sqlx::AssertSqlSafe;

use crate::database::Database;
use crate::ranges;
use crate::store_error::StoreError;
use crate::table::TableRow;

/// So many rows are passed faster than the counters of ranges are read.
const NEAR: i64 = 1024;

/// Beyond so many rows it pays to pass them on the index alone.
const DEEP: i64 = 200;

/// Which rows of a table are listed.
pub struct Listing<R> {
    /// The predicate of the partial indexes, letter for letter.
    predicate: &'static str,
    /// Its name in `row_count`.
    counter: &'static str,
    ranges: bool,
    rows: PhantomData<fn() -> R>,
}

/// A column and whether it descends.
pub type Order = (&'static str, bool);

/// Which rows of the list.
pub struct Window<'a> {
    pub offset: i64,
    pub limit: i64,
    pub order: &'a [Order],
}

impl<R: TableRow> Listing<R> {
    /// The rows that the counter with the table's name counts.
    pub const fn of(predicate: &'static str) -> Self {
        Self { predicate, counter: R::TABLE, ranges: false, rows: PhantomData }
    }

    /// Counted under another name, and by [`range_counters`](crate::range_counters) too.
    pub const fn counted_by_ranges(self, counter: &'static str) -> Self {
        Self { counter, ranges: true, ..self }
    }

    /// The row with this id, if it is listed.
    ///
    /// # Errors
    /// The database's.
    pub async fn find(&self, database: &Database, id: i64) -> Result<Option<R>, StoreError> {
        let text = R::select(&format!("WHERE id = $1 AND {}", self.predicate));
        Ok(sqlx::query_as(AssertSqlSafe(text)).bind(id).fetch_optional(database.reader()).await?)
    }

    /// The window's rows and how many there are in all. `filter` is a column that must equal a value.
    ///
    /// # Errors
    /// The database's.
    pub async fn page(
        &self,
        database: &Database,
        filter: Option<(&'static str, i64)>,
        window: &Window<'_>,
    ) -> Result<(Vec<R>, i64), StoreError> {
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
    ) -> Result<Option<Vec<R>>, StoreError> {
        let limit = window.limit.min(total - window.offset);
        let behind = total - window.offset - limit;
        if window.offset.min(behind) <= NEAR {
            return Ok(None);
        }
        let position = if descending { behind } else { window.offset };
        let Some(start) = ranges::seek(database, self.counter, position).await? else { return Ok(None) };
        let text = self.statement(Some("id >="), &[("id", false)], false, false);
        let query = sqlx::query_as(AssertSqlSafe(text)).bind(limit).bind(start.skip).bind(start.id);
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
    ) -> Result<Vec<R>, StoreError> {
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
        let text = self.statement(condition.as_deref(), window.order, from_the_end, offset > DEEP);
        let mut query = sqlx::query_as(AssertSqlSafe(text)).bind(limit).bind(offset);
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
                    format!("SELECT COUNT(*) FROM {} WHERE {} AND {column} = $1", R::TABLE, self.predicate);
                let query = sqlx::query_scalar(AssertSqlSafe(text)).bind(value);
                Ok(query.fetch_one(database.reader()).await?)
            }
        }
    }

    /// What reads a page, for whoever asks the database how it will do that. `condition` lacks its value: `user_id =`
    pub fn statement(&self, condition: Option<&str>, order: &[Order], reversed: bool, deep: bool) -> String {
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
        let (terms, predicate) = (terms.join(", "), self.predicate);
        let page = format!("WHERE {predicate}{condition} ORDER BY {terms} LIMIT $1 OFFSET $2");
        match deep {
            true => R::select(&format!("WHERE id IN (SELECT id FROM {} {page}) ORDER BY {terms}", R::TABLE)),
            false => R::select(&page),
        }
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

    struct Thing {
        id: i64,
        price: i64,
    }

    crate::table! { "thing" (id, price) as Thing { id, price } }

    const LISTING: Listing<Thing> = Listing::of("gone = 0");

    #[test]
    fn the_id_breaks_ties_in_the_direction_of_the_last_term() {
        assert_eq!(
            LISTING.statement(None, &[("price", true)], false, false),
            "SELECT id, price FROM thing WHERE gone = 0 ORDER BY price DESC, id DESC LIMIT $1 OFFSET $2"
        );
        assert_eq!(
            LISTING.statement(Some("user_id ="), &[("id", false)], true, false),
            "SELECT id, price FROM thing WHERE gone = 0 AND user_id = $3 ORDER BY id DESC LIMIT $1 OFFSET $2"
        );
    }

    #[test]
    fn many_rows_are_passed_on_the_index_alone() {
        assert_eq!(
            LISTING.statement(None, &[], false, true),
            "SELECT id, price FROM thing WHERE id IN (SELECT id FROM thing WHERE gone = 0 \
             ORDER BY id ASC LIMIT $1 OFFSET $2) ORDER BY id ASC"
        );
    }
}

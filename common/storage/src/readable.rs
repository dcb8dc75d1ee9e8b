//! What clients read of a store: one item, or a page of a list.

use async_trait::async_trait;

use crate::listing::Order;
use crate::store_error::StoreError;

/// Which rows of a list, and in which order. `F` names the fields that the list can be sorted and searched by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListQuery<F> {
    /// Only where the field has this value.
    pub filter: Option<(F, i64)>,
    pub offset: i64,
    pub limit: i64,
    /// Each field with whether it descends. Rows that are equal in all of them are ordered by id.
    pub order: Vec<(F, bool)>,
}

impl<F> Default for ListQuery<F> {
    fn default() -> Self {
        Self { filter: None, offset: 0, limit: 20, order: Vec::new() }
    }
}

impl<F: Copy> ListQuery<F> {
    /// The filter and the order in the columns of a table, for [`Listing::page`](crate::Listing::page).
    pub fn columns(&self, column: impl Fn(F) -> &'static str) -> (Option<(&'static str, i64)>, Vec<Order>) {
        let filter = self.filter.map(|(field, value)| (column(field), value));
        // All that the filter lets pass are equal in its column: the id alone orders them.
        let orders = |name: &str| filter.is_none_or(|(filtered, _)| filtered != name);
        let mut order: Vec<Order> =
            self.order.iter().map(|(field, descending)| (column(*field), *descending)).collect();
        let direction = order.last().map(|(_, descending)| *descending);
        order.retain(|(name, _)| orders(name));
        if order.is_empty()
            && let Some(descending) = direction
        {
            order.push(("id", descending));
        }
        (filter, order)
    }
}

/// The part of a store's port that clients read through.
#[async_trait]
pub trait Readable: Send + Sync + 'static {
    type Item: Send;
    /// An enum of the service. Only the adapter knows the columns.
    type Field: Copy + Send + Sync;

    /// The item of this id, if clients may see it.
    ///
    /// # Errors
    /// The database's.
    async fn item(&self, id: i64) -> Result<Option<Self::Item>, StoreError>;

    /// A page of what clients may see, and how many items there are on all pages. The time does not depend on how many
    /// there are; a page past the end is empty.
    ///
    /// # Errors
    /// The database's.
    async fn list(&self, query: &ListQuery<Self::Field>) -> Result<(Vec<Self::Item>, i64), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_rows_are_equal_in_orders_nothing() {
        let columns = |filter: Option<(&'static str, i64)>, order: &[Order]| {
            ListQuery { filter, order: order.to_vec(), ..ListQuery::default() }.columns(|name| name)
        };
        let order = [("user_id", true), ("price", false)];
        assert_eq!(columns(None, &order), (None, order.to_vec()));
        let filter = Some(("user_id", 7));
        assert_eq!(columns(filter, &order), (filter, vec![("price", false)]));
        assert_eq!(columns(filter, &order[..1]), (filter, vec![("id", true)]));
        assert_eq!(columns(filter, &[]), (filter, Vec::new()));
    }
}

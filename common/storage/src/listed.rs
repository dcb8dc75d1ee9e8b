use async_trait::async_trait;

use crate::database::Database;
use crate::listing::{Listing, Window};
use crate::readable::{ListQuery, Readable};
use crate::store_error::StoreError;
use crate::table::TableRow;

/// A store of which clients see the rows of one listing; that makes it [`Readable`].
pub trait Listed: Send + Sync + 'static {
    type Row: TableRow + TryInto<Self::Item>;
    type Item: Send;
    type Field: Copy + Send + Sync;
    const LISTING: Listing<Self::Row>;

    fn database(&self) -> &Database;

    /// The column that holds the field.
    fn column(field: Self::Field) -> &'static str;
}

#[async_trait]
impl<S> Readable for S
where
    S: Listed,
    StoreError: From<<S::Row as TryInto<S::Item>>::Error>,
{
    type Item = S::Item;
    type Field = S::Field;

    async fn item(&self, id: i64) -> Result<Option<S::Item>, StoreError> {
        let row = S::LISTING.find(self.database(), id).await?;
        Ok(row.map(S::Row::try_into).transpose()?)
    }

    async fn list(&self, query: &ListQuery<S::Field>) -> Result<(Vec<S::Item>, i64), StoreError> {
        let (filter, order) = query.columns(S::column);
        let window = Window { offset: query.offset, limit: query.limit, order: &order };
        let (rows, total) = S::LISTING.page(self.database(), filter, &window).await?;
        let items: Result<_, _> = rows.into_iter().map(S::Row::try_into).collect();
        Ok((items?, total))
    }
}

//! What the use cases need from outside.

use async_trait::async_trait;
use storage::{Folded, StoreError};

use crate::domain::{Receipt, Told};

/// Keeps receipts, one for each reservation.
///
/// # Obligations
/// - As [`Folded`]'s. The keys are reservations; a fact comes with the trace of the record that caused it.
/// - A reservation has one receipt or tombstone; a second one is an error, not an update.
#[async_trait]
pub trait ReceiptStore: Folded<State = Receipt, Fact = (Told, Option<String>)> {
    /// A receipt that stands.
    ///
    /// # Errors
    /// The database's.
    async fn find(&self, id: i64) -> Result<Option<Receipt>, StoreError>;

    /// A page of the receipts that stand, and how many there are.
    ///
    /// # Errors
    /// The database's.
    async fn list(&self, query: &ListQuery) -> Result<(Vec<Receipt>, i64), StoreError>;
}

#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    pub user_id: Option<i64>,
    pub offset: i64,
    pub limit: i64,
    /// Column and whether it descends.
    pub order: Vec<(&'static str, bool)>,
}

//! What the use cases need from outside.

use async_trait::async_trait;
use events::Event;
use storage::{StoreError, Tx};

use crate::domain::Receipt;

/// A fact to be told, with the trace of the record that caused it.
pub struct Telling {
    pub event: Event,
    pub traceparent: Option<String>,
}

/// Keeps receipts, inside the transaction that also holds the position read.
///
/// # Obligations
/// - What is saved and what is told commit together, with the position read, or not at all.
/// - A reservation has one receipt or tombstone; a second one is an error, not an update.
///
/// # Errors
/// The database's.
#[async_trait]
pub trait ReceiptStore: Send + Sync {
    /// The receipts and tombstones of these reservations.
    async fn of_reservations(&self, tx: &mut Tx, ids: &[i64]) -> Result<Vec<Receipt>, StoreError>;
    /// Inserts all and fills in their ids.
    async fn add(&self, tx: &mut Tx, receipts: &mut [&mut Receipt]) -> Result<(), StoreError>;
    /// Saves the status of receipts that have an id.
    async fn update(&self, tx: &mut Tx, receipts: &[&Receipt]) -> Result<(), StoreError>;
    async fn tell(&self, tx: &mut Tx, facts: &[Telling]) -> Result<(), StoreError>;

    /// A receipt that stands.
    async fn find(&self, id: i64) -> Result<Option<Receipt>, StoreError>;
    /// A page of the receipts that stand, and how many there are.
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

//! What the use cases need from outside.

use storage::{Folded, Readable};

use crate::domain::{Receipt, Told};

/// Keeps receipts, one for each reservation. Clients read those that stand.
///
/// # Obligations
/// - As [`Folded`]'s. The keys are reservations; a fact comes with the trace of the record that caused it.
/// - A reservation has one receipt or tombstone; a second one is an error, not an update.
pub trait ReceiptStore:
    Folded<State = Receipt, Fact = (Told, Option<String>)> + Readable<Item = Receipt, Field = Field>
{
}

/// What clients sort and search by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Id,
    CreatedAt,
    UserId,
    Price,
}

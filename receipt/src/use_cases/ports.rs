//! What the use cases need from outside.

use rights::Owned;
use storage::{Folded, Readable};

use crate::domain::Receipt;

/// Keeps receipts, one for each reservation. Clients read those that stand.
///
/// # Obligations
/// - As [`Folded`]'s, by reservation. What is told is the receipt as it was then, with the trace of its cause.
/// - A reservation has one receipt or tombstone; a second one is an error, not an update.
pub trait ReceiptStore:
    Folded<State = Receipt, Fact = (Receipt, Option<String>)> + Readable<Item = Receipt, Field = Field>
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

impl Owned for Receipt {
    type Field = Field;
    const OWNER: Field = Field::UserId;

    fn owner(&self) -> i64 {
        self.purchase.user_id
    }
}

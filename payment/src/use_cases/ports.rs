//! What the use cases need of the outside, with the obligations of whoever provides it.
//!
//! `tests/suite/store_contract.rs` and `tests/suite/provider_contract.rs` hold the adapters to them.

use std::error::Error;

use async_trait::async_trait;
use rights::Owned;
use storage::{Folded, Readable, StoreError};

use crate::domain::{CardNumber, Change, ChargeAnswer, Order, Payment, RefundAnswer, Status};

/// A driver's error, kept as the source.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// Where payments are kept. Each call is atomic and durable when it returns. Clients see the payments that are `paid`, and
/// no others.
#[async_trait]
pub trait PaymentStore: Readable<Item = Payment, Field = Field> {
    /// Stores the intent to charge `order`, unless its reservation has a payment already, cancelled or not: then
    /// nothing is changed and that payment is the answer. Of several that try at the same moment exactly one
    /// gets [`Intent::Stored`]. Ids are never given twice.
    ///
    /// # Errors
    /// [`StoreError`]; the intent may be stored all the same.
    async fn intend(&self, order: Order, now: i64) -> Result<Intent, StoreError>;

    /// Stores each new state and appends its facts to the outbox, all in one transaction. A change whose payment
    /// no longer has the status that the change started from is left out, together with its facts.
    ///
    /// Says for each change, in the order given, whether it was stored.
    ///
    /// # Errors
    /// [`StoreError`]; either all or nothing of it is stored, and the caller does not know which.
    async fn save(&self, changes: &[Change]) -> Result<Vec<bool>, StoreError>;

    /// The payment of this id, whatever its status.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn find(&self, id: i64) -> Result<Option<Payment>, StoreError>;

    /// The payments in `status`, [`Status::Charging`] or [`Status::Refunding`], ascending by id: at most `limit` of
    /// those beyond `after_id`. The time does not depend on how many finished ones there are.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn unfinished(
        &self,
        status: Status,
        after_id: i64,
        limit: i64,
    ) -> Result<Vec<Unfinished>, StoreError>;
}

/// What became of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    Stored(Payment),
    /// The reservation's payment, as an earlier request or a cancellation left it.
    Existing(Payment),
}

/// Work that somebody has to finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub payment: Payment,
    /// The `traceparent` of the request that started it: what finishes it belongs to the same trace.
    pub traceparent: Option<String>,
}

/// What clients sort and search by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Id,
    UserId,
    Price,
    CreatedAt,
}

impl Owned for Payment {
    type Field = Field;
    const OWNER: Field = Field::UserId;

    fn owner(&self) -> i64 {
        self.order.user_id
    }
}

/// The payments as a batch of cancellations changes them, by reservation. A change is saved as by [`PaymentStore::save`]; a
/// payment without one is the tombstone of a reservation that has none.
pub type Cancellations = dyn Folded<State = Payment, Fact = Change>;

/// The card network.
#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Charges the card once for this key, however often and from however many processes it is called. A repeated
    /// key gets the first answer again; after a refund of the key it is [`ChargeAnswer::Undone`].
    ///
    /// # Errors
    /// [`ProviderError`]: whether the card was charged is not known. A repetition with the same key finds out.
    async fn charge(&self, key: &str, amount: i64, card: &CardNumber) -> Result<ChargeAnswer, ProviderError>;

    /// Gives back what was charged under this key. After `Ok` the key has no charge and never gets one, not even
    /// from a [`charge`](Self::charge) that runs at the same time. Repeating it is harmless.
    ///
    /// # Errors
    /// [`ProviderError`]: whether the charge is undone is not known. Repeat it.
    async fn refund(&self, key: &str) -> Result<RefundAnswer, ProviderError>;

    /// Answers if the card network can be reached. For health checks.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`]
    async fn ping(&self) -> Result<(), ProviderError>;
}

#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It did not do what it was asked, for certain.
    #[error("the card network does not take this at the moment: {0}")]
    Unavailable(String),
    /// It may have done what it was asked.
    #[error("the card network did not answer")]
    Unknown(#[source] BoxError),
}

//! What the use cases need from outside.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use events::Envelope;
use identity::Caller;
use rights::Owned;
use storage::{Readable, StoreError};

use crate::domain::CardNumber;
use crate::domain::{CancelReason, NewReservation, Reservation};

/// Asks payment to charge a card for a reservation.
///
/// # Obligations
/// - One call charges at most once. A request whose connection breaks before an answer begins may be sent a second time,
///   because payment charges a reservation once, however often it is asked; nothing else is repeated.
/// - The answer never claims more than is known. [`Paid`], [`Declined`] and [`Refused`] are payment's own
///   words about this reservation; [`NotSent`] is said only when no byte of the request can have reached
///   payment, or payment did not take it; everything else is [`Unknown`].
/// - It answers within the configured timeout, and at once when it does not ask at all.
/// - It may be dropped at any moment; payment may then have been asked (treat it as [`Unknown`]).
///
/// # Errors
/// None: every failure is one of the outcomes.
#[async_trait]
pub trait PaymentGateway: Send + Sync {
    async fn pay(&self, order: &PaymentOrder) -> PaymentOutcome;
}

/// What is to be charged, and to whom.
#[derive(Clone, Debug)]
pub struct PaymentOrder {
    /// Also payment's idempotency key.
    pub reservation_id: i64,
    pub user_id: i64,
    pub product_id: i64,
    pub product_name: String,
    pub price: i64,
    pub card: CardNumber,
}

/// A type each, so that what follows from one cannot be done for another by mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentOutcome {
    Paid(Paid),
    Declined(Declined),
    Refused(Refused),
    NotSent(NotSent),
    Unknown(Unknown),
}

/// The card is charged, and payment has it on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    pub payment_id: i64,
}

/// The bank refused the card; nothing is charged, and nothing will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// payment's own words for people (the problem's `detail`), if it gave any.
    pub detail: Option<String>,
}

/// payment does not charge for this reservation, however often it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub why: RefusedWhy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedWhy {
    /// payment holds the reservation as cancelled: what may have been charged is given back.
    ReservationCancelled,
    /// The reservation's number has a payment with other content: somebody else's, or of another time of this database.
    AnotherPayment,
}

/// payment was not asked, or did not take the request; certainly nothing is charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSent {
    pub why: NotSentWhy,
    /// When it makes sense to try again; never zero.
    pub retry_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSentWhy {
    /// Too many calls failed or were slow lately.
    BreakerOpen,
    /// As many calls as are allowed at a time are waiting for payment already.
    BulkheadFull,
    /// No connection came about: refused, host unknown, or no answer to the attempt.
    ConnectionRefused,
    /// payment has no time for it at the moment (429).
    Overloaded,
    /// payment does not know this service (401, 403): `internal.token` is not the one that payment expects.
    NotTrusted(u16),
    /// payment, or what answers in its place, cannot make anything of the request (400, 404, 405, 413, 415):
    /// `url.payment` leads elsewhere, or the two services are too far apart in their versions.
    NotUnderstood(u16),
}

/// payment was, or may have been, asked, and what it did is not known: perhaps charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    pub why: UnknownWhy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownWhy {
    Timeout,
    /// The connection broke before the answer was complete.
    ConnectionReset,
    /// 5xx.
    ServerError(u16),
    /// A status that the contract with payment does not know, or one that says nothing about an earlier try of the
    /// same request. Somebody in between may have given it after payment acted (408).
    UnexpectedStatus(u16),
    /// A success whose body does not say what was paid.
    Garbled,
}

impl fmt::Display for UnknownWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("timed out"),
            Self::ConnectionReset => f.write_str("the connection broke"),
            Self::ServerError(status) | Self::UnexpectedStatus(status) => {
                write!(f, "status {status}")
            }
            Self::Garbled => f.write_str("not readable"),
        }
    }
}

/// Keeps reservations and what is to be told of them. Clients read those that are not cancelled.
///
/// # Obligations
/// - A state and its fact are saved together or not at all; there is no way to save one alone.
/// - [`save`](ReservationStore::save) is a compare-and-set on the version.
/// - An id is never given twice, also not when its reservation was rolled back.
///
/// # Errors
/// Every method: [`StoreError`].
#[async_trait]
pub trait ReservationStore: Readable<Item = Reservation, Field = Field> {
    /// Puts the intent on disk as `pending`, together with the idempotency key if there is one.
    async fn begin(&self, order: &NewReservation, key: Option<&IdempotencyKey>) -> Result<Begun, StoreError>;

    /// Saves `reservation` and tells `fact`, unless somebody changed it since `expected_version` (then false).
    /// `outcome` is what a repetition of the keyed request will be answered.
    async fn save(
        &self,
        reservation: &Reservation,
        fact: &Envelope,
        expected_version: i64,
        outcome: Option<&SavedOutcome>,
    ) -> Result<bool, StoreError>;

    /// Cancelled ones too.
    async fn find(&self, id: i64) -> Result<Option<Reservation>, StoreError>;

    /// The oldest reservations that wait for their payment.
    async fn pending(&self, limit: i64) -> Result<Vec<i64>, StoreError>;

    /// Forgets keys older than `before` (epoch milliseconds) whose request was answered; how many.
    async fn purge_keys(&self, before: i64) -> Result<u64, StoreError>;
}

/// `Idempotency-Key` with a fingerprint of the request that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The user who sent it; [`NOBODY`](Self::NOBODY) where none is known. The same key of two users is two keys.
    pub sender: i64,
    pub key: String,
    /// Of the request without the card's digits but the last four: nothing that could be used to guess a card is kept.
    pub fingerprint: String,
}

impl IdempotencyKey {
    /// No user has this id.
    pub const NOBODY: i64 = 0;

    /// It belongs to the caller, also where an administrator reserves for somebody else.
    pub fn of(caller: &Caller, key: String, fingerprint: String) -> Self {
        Self { sender: caller.user_id().unwrap_or(Self::NOBODY), key, fingerprint }
    }
}

/// What the insert of the intent decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    Started(Reservation),
    /// The key's request was answered: the same answer again.
    Answered(Reservation, SavedOutcome),
    /// The key's request is not answered yet.
    InFlight,
    /// The key came with another request before.
    KeyReused,
}

/// How a request ended, as kept for its repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedOutcome {
    /// `None`: reserved.
    pub cancelled: Option<CancelReason>,
    pub detail: Option<String>,
    /// The reservation's `modified_at` at that time.
    pub at: i64,
}

impl SavedOutcome {
    /// How the reservation stands now.
    pub fn of(reservation: &Reservation) -> Self {
        Self {
            cancelled: reservation.cancel_reason,
            detail: reservation.cancel_detail.clone(),
            at: reservation.modified_at,
        }
    }
}

/// What clients sort and search by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Id,
    CreatedAt,
    UserId,
    Price,
}

impl Owned for Reservation {
    type Field = Field;
    const OWNER: Field = Field::UserId;

    fn owner(&self) -> i64 {
        self.details.user_id
    }
}

//! What the use cases need from outside.

use async_trait::async_trait;
use storage::{Readable, StoreError};
use tokio::sync::OwnedSemaphorePermit;

use crate::domain::{Counted, Email, Family, Password, Transition, User};

/// Keeps the users. Clients read all of them, banned ones too.
///
/// # Obligations
/// - An address belongs to one user, whoever asks for it at the same time.
/// - A change of a user is stored together with the fact that tells of it, or neither is.
#[async_trait]
pub trait UserStore: Readable<Item = User, Field = Field> {
    /// Stores the user, with the family of the first session if there is one, and tells it. `None`: the address is taken.
    async fn sign_up(&self, user: User, family: Option<Family>) -> Result<Option<User>, StoreError>;

    async fn by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;

    /// Stores the family of a new session, and the new hash if there is one, unless the user is banned by now: then it is
    /// false. Sign-in and ban of a user come one after the other: a ban ends what was stored before it.
    async fn sign_in(
        &self,
        user: &User,
        new_hash: Option<String>,
        family: Family,
    ) -> Result<bool, StoreError>;

    /// Changes a user alone, for `by`: `decide` gets the user and the time, both read after everybody else was made to wait. A
    /// user who is banned afterwards has no family any more. Who gives the order is looked at within the same transaction, so
    /// that of two administrators who take the right from each other one keeps it.
    async fn change(&self, by: By, id: i64, decide: Decide) -> Result<Changed, StoreError>;
}

/// Who orders a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Who works on the database itself.
    Operator,
    /// Only if he is an administrator at this moment, and not banned: his token may be older than that.
    Administrator(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    To(Transition),
    NoSuchUser,
    /// Who ordered it is none, or none any more.
    NoAdministrator,
}

/// What becomes of a user at this moment.
pub type Decide = Box<dyn FnOnce(&mut User, i64) -> Transition + Send>;

/// What clients sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Id,
    Email,
    CreatedAt,
}

/// Keeps families of refresh tokens.
#[async_trait]
pub trait FamilyStore: Send + Sync + 'static {
    async fn find(&self, selector_hash: &str) -> Result<Option<Family>, StoreError>;

    /// Compare and set: true for exactly one of those who replace the same token.
    async fn replace(
        &self,
        family: &Family,
        new_hash: &str,
        now: i64,
        expires_at: i64,
    ) -> Result<bool, StoreError>;

    async fn end(&self, id: i64) -> Result<(), StoreError>;

    /// Drops what has expired.
    async fn purge(&self, now: i64) -> Result<(), StoreError>;
}

/// Counts attempts, for all replicas.
#[async_trait]
pub trait AttemptStore: Send + Sync + 'static {
    async fn counted(&self, subject: &str) -> Result<Option<Counted>, StoreError>;

    /// One more. A window that began before `window_from` is over, and a new one begins. No attempt is lost, whoever counts at
    /// the same time; each is told another number.
    async fn count(&self, subject: &str, now: i64, window_from: i64) -> Result<Counted, StoreError>;

    async fn forget(&self, subject: &str) -> Result<(), StoreError>;

    /// Drops windows that began before this moment.
    async fn purge(&self, began_before: i64) -> Result<(), StoreError>;
}

/// A signing key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Their order, from 1.
    pub number: i64,
    pub kid: String,
    /// The private key, encrypted.
    pub sealed: String,
    /// Epoch milliseconds.
    pub signs_from: i64,
}

#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// In their order.
    async fn all(&self) -> Result<Vec<StoredKey>, StoreError>;

    /// False: there is a key of this number.
    async fn add(&self, key: &StoredKey) -> Result<bool, StoreError>;

    async fn remove(&self, number: i64) -> Result<(), StoreError>;
}

/// The right to one hash at a time: it takes memory and a processor.
pub struct Turn(
    #[allow(dead_code, reason = "held, and given back when it is dropped")] pub(crate) OwnedSemaphorePermit,
);

/// Too many want a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct Busy;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, and the hash was made with other parameters than today's.
    RightAndOutdated,
}

#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed: {0}")]
pub struct HashError(pub String);

/// Hashes passwords, slowly.
///
/// # Obligations
/// - Without a hash to compare with, the same work is done, and the verdict is [`Verdict::Wrong`].
/// - No thread that answers requests is held up. Work that nobody waits for any more keeps its turn to its end.
#[async_trait]
pub trait Passwords: Send + Sync + 'static {
    async fn turn(&self) -> Result<Turn, Busy>;

    async fn hash(&self, turn: Turn, password: Password) -> Result<(String, Turn), HashError>;

    async fn verify(
        &self,
        turn: Turn,
        password: Password,
        hash: Option<String>,
    ) -> Result<(Verdict, Password, Turn), HashError>;
}

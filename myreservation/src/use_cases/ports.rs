//! What the use cases need from outside.

use std::collections::BTreeMap;

use async_trait::async_trait;
use messaging::mark::Mark;
use rights::Owned;
use storage::{Readable, StoreError, Tx};

use crate::domain::{Batch, MyReservation, Outcome, Step};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SagaCounts {
    pub by_outcome: BTreeMap<Outcome, i64>,
    pub unfinished: Unfinished,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Since when the oldest has been open or compensating, epoch milliseconds.
    pub oldest_since_ms: Option<i64>,
    /// How many have been for too long.
    pub stuck: i64,
}

/// The writing side of the view.
#[async_trait]
pub trait Projection: Send + Sync {
    /// Makes the facts part of the view, inside `tx`. In any order and however often: of each facet the newest
    /// version stands, and each step stands once. Totals follow.
    ///
    /// `slot` separates writers that run at the same time; the partition of the log does.
    ///
    /// # Errors
    /// The database's; `tx` is then of no use any more.
    async fn apply(&self, tx: &mut Tx, batch: Batch, slot: i32) -> Result<(), StoreError>;
}

/// The reading side. Sees what is committed, also while a rebuild is running.
#[async_trait]
pub trait View: Readable<Item = MyReservation, Field = Field> {
    /// The steps of a reservation, none where it is unknown.
    ///
    /// # Errors
    /// The database's.
    async fn steps(&self, id: i64) -> Result<Vec<Step>, StoreError>;

    /// The version of the reservation's own facet; 0 where it is unknown.
    ///
    /// # Errors
    /// The database's.
    async fn reservation_version(&self, id: i64) -> Result<i64, StoreError>;

    /// How the sagas stand. Stuck is what has been unfinished since before `stuck_before_ms`.
    ///
    /// # Errors
    /// The database's.
    async fn sagas(&self, stuck_before_ms: i64) -> Result<SagaCounts, StoreError>;

    /// Records done and records in all, while a rebuild is running.
    ///
    /// # Errors
    /// The database's.
    async fn rebuild_progress(&self) -> Result<Option<(i64, i64)>, StoreError>;
}

/// Partition -> next offset.
pub type Positions = BTreeMap<i32, i64>;

/// A row or step that stands otherwise in the new view than in the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub table: &'static str,
    pub reservation_id: i64,
    pub in_old: bool,
    pub in_new: bool,
}

/// What the old view has and the new one lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vanished {
    pub reservations: i64,
    pub steps: i64,
}

/// A second view, built beside the live one.
#[async_trait]
pub trait Shadow: Send + Sync {
    /// An empty view. What an earlier rebuild left behind is gone.
    ///
    /// # Errors
    /// The database's, as for all of these.
    async fn create(&self) -> Result<(), StoreError>;

    /// # Errors
    /// The database's.
    async fn begin(&self) -> Result<Tx, StoreError>;

    /// As [`Projection::apply`], into the shadow.
    ///
    /// # Errors
    /// The database's.
    async fn apply(&self, tx: &mut Tx, batch: Batch) -> Result<(), StoreError>;

    /// What sorting and searching need; cheaper once the rows are there.
    ///
    /// # Errors
    /// The database's.
    async fn build_indexes(&self) -> Result<(), StoreError>;

    /// How far the live view is.
    ///
    /// # Errors
    /// The database's.
    async fn live_positions(&self) -> Result<Positions, StoreError>;

    /// Records that the live view is made of, by partition: the log is recognised by them.
    ///
    /// # Errors
    /// The database's.
    async fn live_marks(&self) -> Result<Vec<(i32, Mark)>, StoreError>;

    /// As [`Shadow::live_positions`], and until `tx` ends the live view gets no further.
    ///
    /// # Errors
    /// The database's.
    async fn hold_live(&self, tx: &mut Tx) -> Result<Positions, StoreError>;

    /// Some of what differs, and how much does in all. Only under [`Shadow::hold_live`] does it compare like with like.
    ///
    /// # Errors
    /// The database's.
    async fn differences(&self, tx: &mut Tx) -> Result<(Vec<Difference>, i64), StoreError>;

    /// As [`Shadow::differences`].
    ///
    /// # Errors
    /// The database's.
    async fn vanished(&self, tx: &mut Tx) -> Result<Vanished, StoreError>;

    /// Puts the shadow in the place of the live view once `tx` commits, if the answer is [`Swap::Done`]; else `tx`
    /// must not commit.
    ///
    /// # Errors
    /// The database's.
    async fn swap(&self, tx: &mut Tx, held: &Positions) -> Result<Swap, StoreError>;

    /// For whoever watches. False: another rebuild has taken over.
    ///
    /// # Errors
    /// The database's.
    async fn report(&self, done: i64, total: i64) -> Result<bool, StoreError>;

    /// Removes what an unfinished rebuild leaves, unless another one has taken over.
    ///
    /// # Errors
    /// The database's.
    async fn discard(&self) -> Result<(), StoreError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    Done,
    /// A partition that was unknown to [`Shadow::hold_live`] moved meanwhile.
    Moved,
    /// Another rebuild owns the shadow.
    TakenOver,
}

/// What clients sort and search by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Id,
    CreatedAt,
    UserId,
    Price,
}

impl Owned for MyReservation {
    type Field = Field;
    const OWNER: Field = Field::UserId;

    fn owner(&self) -> i64 {
        self.purchase.user_id
    }
}

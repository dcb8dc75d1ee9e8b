use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use async_trait::async_trait;
use storage::{FoldError, StoreError, Tx};

use crate::log::ReceivedRecord;
use crate::panic_text::text_of;

/// What a service does with the records of a topic.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// What a record asks the service for.
    type Instruction: Send;

    /// Reads a record; `None`: it does not concern the service. A batch in which no record does is passed without a
    /// transaction, and its position is stored later. Records that say nothing
    /// ([`Record::says_nothing`](crate::Record::says_nothing)) are not read.
    ///
    /// # Errors
    /// Why the record can never be applied. It is set aside.
    fn instruction(&self, received: &ReceivedRecord) -> Result<Option<Self::Instruction>, Unreadable>;

    /// Applies instructions of one partition, in order, inside `tx`; the position read commits with it.
    ///
    /// The same record may come again, also after later ones: effects are keyed by what they mean.
    /// Nothing outside `tx` may be changed before [`Handler::committed`].
    ///
    /// # Errors
    /// [`HandleError::Instructions`] sets the records of those instructions aside: all that can never be applied, at once,
    /// because the others of the batch are applied again after each report. A database error is retried, and only when it
    /// is not the database's own fault and one record alone causes it again and again, sets that record aside.
    async fn apply(&self, tx: &mut Tx, instructions: Vec<Self::Instruction>) -> Result<(), HandleError>;

    /// Called after `tx` has committed, to wake the tasks that wait for the effect.
    fn committed(&self) {}
}

/// Why a record can never be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl<E: Error> From<E> for Unreadable {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// These instructions can never be applied.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Instructions(Vec<BadInstruction>),
    #[error(transparent)]
    Database(#[from] StoreError),
}

/// The instructions that were folded are those that the handler was given.
impl From<FoldError> for HandleError {
    fn from(error: FoldError) -> Self {
        let reason = error.to_string();
        match error {
            FoldError::Store(error) => Self::Database(error),
            FoldError::Unsettled(indices) => {
                let bad = indices.into_iter().map(|index| BadInstruction { index, reason: reason.clone() });
                Self::Instructions(bad.collect())
            }
        }
    }
}

impl From<sqlx::Error> for HandleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// An instruction that can never be applied: its index among those that were given, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("instruction {index} cannot be applied: {reason}")]
pub struct BadInstruction {
    pub index: usize,
    pub reason: String,
}

/// What a record came to.
pub(crate) enum Reading<I> {
    Instruction(I),
    Nothing,
    Unreadable(String),
}

/// Reads a record.
pub(crate) fn read<H: Handler>(handler: &H, received: &ReceivedRecord) -> Reading<H::Instruction> {
    if received.record.says_nothing() {
        return Reading::Nothing;
    }
    // A handler that panics must not take the consumer with it: the record is set aside like any that cannot be read.
    match catch_unwind(AssertUnwindSafe(|| handler.instruction(received))) {
        Ok(Ok(Some(instruction))) => Reading::Instruction(instruction),
        Ok(Ok(None)) => Reading::Nothing,
        Ok(Err(Unreadable(reason))) => Reading::Unreadable(reason),
        Err(panic) => Reading::Unreadable(text_of(&*panic)),
    }
}

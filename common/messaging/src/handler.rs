use async_trait::async_trait;
use storage::{FoldError, StoreError, Tx};

use crate::log::ReceivedRecord;

/// What a service does with the records of a topic.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Applies records of one partition, in order, inside `tx`; the position read commits with it.
    ///
    /// The same record may come again, also after later ones: effects are keyed by what they mean.
    /// Nothing outside `tx` may be changed before [`Handler::committed`]. Records that say nothing
    /// ([`Record::says_nothing`](crate::Record::says_nothing)) are not among them.
    ///
    /// # Errors
    /// [`HandleError::Records`] sets those records aside: all that can never be applied, at once, because the others of
    /// the batch are handled again after each report. A database error is retried, and only when it is not the
    /// database's own fault and one record alone causes it again and again, sets that record aside.
    async fn handle(&self, tx: &mut Tx, records: &[ReceivedRecord]) -> Result<(), HandleError>;

    /// Whether the record could have an effect. A batch in which none could is passed without a transaction, and its
    /// position stored later. A record that cannot be read is of concern: it has to be set aside.
    fn concerns(&self, _record: &ReceivedRecord) -> bool {
        true
    }

    /// Told after `tx` committed; for waking whoever waits for the effect.
    fn committed(&self) {}
}

#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// These records can never be applied, whoever tries.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Records(Vec<BadRecord>),
    #[error(transparent)]
    Database(#[from] StoreError),
}

impl HandleError {
    /// `indices`: of the records whose instructions were folded.
    pub fn of_fold(error: FoldError, indices: &[usize]) -> Self {
        let reason = error.to_string();
        match error {
            FoldError::Store(error) => Self::Database(error),
            FoldError::Unsettled(instructions) => {
                let records = instructions.iter().filter_map(|instruction| indices.get(*instruction));
                Self::Records(
                    records.map(|index| BadRecord { index: *index, reason: reason.clone() }).collect(),
                )
            }
        }
    }
}

impl From<sqlx::Error> for HandleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// A record that can never be applied: its index in the slice that was handled, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {index} cannot be applied: {reason}")]
pub struct BadRecord {
    pub index: usize,
    pub reason: String,
}

/// Reads each record, with its index; `None` is no concern of the service.
///
/// # Errors
/// All that cannot be read, at once.
pub fn read_all<T>(
    records: &[ReceivedRecord],
    mut read: impl FnMut(&ReceivedRecord) -> Result<Option<T>, String>,
) -> Result<Vec<(usize, T)>, HandleError> {
    let mut wanted = Vec::with_capacity(records.len());
    let mut bad = Vec::new();
    for (index, record) in records.iter().enumerate() {
        match read(record) {
            Ok(Some(read)) => wanted.push((index, read)),
            Ok(None) => {}
            Err(reason) => bad.push(BadRecord { index, reason }),
        }
    }
    if bad.is_empty() { Ok(wanted) } else { Err(HandleError::Records(bad)) }
}

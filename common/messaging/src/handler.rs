use async_trait::async_trait;
use storage::Tx;

use crate::log::ReceivedRecord;

/// What a service does with the records of a topic.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Applies records of one partition, in order, inside `tx`; the position read commits with it.
    ///
    /// The same record may come again, also after later ones: effects are keyed by what they mean.
    /// Nothing outside `tx` may be changed before [`Handler::committed`].
    ///
    /// # Errors
    /// [`HandleError::Record`] sets that record aside; a database error is retried, and only when it
    /// is not the database's own fault and one record alone causes it again and again, sets that record aside.
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
    /// The record at `index` of the slice can never be applied, whoever tries.
    #[error("record {index} cannot be applied: {reason}")]
    Record { index: usize, reason: String },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

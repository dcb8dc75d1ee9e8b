use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::failure::{is_conflict, is_unavailable};

/// Why a store did not do what it was asked. The one error of all ports to a database.
///
/// The variants are what a caller can act on; the driver's error is kept for the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, busy, shutting down or damaged. The same call may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(Cause),
    /// The database rolled the transaction back because of another one. The same call may succeed at once.
    #[error("another transaction was in the way: {0}")]
    Conflict(Cause),
    /// A row holds what this release cannot read.
    #[error("a row cannot be read: {0}")]
    Corrupt(Cause),
    /// The call itself is the cause. It fails again.
    #[error("the database refused: {0}")]
    Refused(Cause),
}

/// The text for the log. Callers act on the variant.
#[derive(Clone, Debug)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl StoreError {
    /// Whether the same call may succeed later, without anybody changing it.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Conflict(_))
    }

    /// The driver's error, where it is one.
    pub(crate) fn of_database(&self) -> Option<&sqlx::Error> {
        let (Self::Unavailable(cause) | Self::Conflict(cause) | Self::Corrupt(cause) | Self::Refused(cause)) =
            self;
        cause.0.downcast_ref()
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error::{ColumnDecode, Decode};
        let variant = match &error {
            error if is_conflict(error) => Self::Conflict,
            error if is_unavailable(error) => Self::Unavailable,
            Decode(_) | ColumnDecode { .. } => Self::Corrupt,
            _ => Self::Refused,
        };
        variant(Cause(Arc::new(error)))
    }
}

/// For what every row can be translated into.
impl From<Infallible> for StoreError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Cause {
    fn from(cause: E) -> Self {
        Self(cause.into().into())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_driver_becomes_what_a_caller_can_act_on() {
        let away = StoreError::from(sqlx::Error::PoolTimedOut);
        assert!(away.is_unavailable() && matches!(away, StoreError::Unavailable(_)));
        let unreadable = StoreError::from(sqlx::Error::Decode("unknown status 'x'".into()));
        assert!(!unreadable.is_unavailable() && matches!(unreadable, StoreError::Corrupt(_)));
        assert!(unreadable.to_string().contains("unknown status 'x'"), "{unreadable}");
        assert!(matches!(sqlx::Error::RowNotFound.into(), StoreError::Refused(_)));
        assert!(matches!(away.of_database(), Some(sqlx::Error::PoolTimedOut)));
        assert!(StoreError::Refused("a text".into()).of_database().is_none());
    }
}

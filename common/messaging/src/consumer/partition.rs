//! Where we stand in each partition, and what became of a batch of it.

use std::collections::HashSet;
use std::time::Duration;

use storage::StoreError;
use tokio::time::Instant;

use crate::mark::Place;

/// A partition that somebody else has claimed is usually revoked in a moment. If it is not, nobody else is reading
/// it (he claimed it when it was ours already), and it is claimed again.
pub(super) const CLAIM_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// What we know of a partition that the log has assigned to us.
pub(super) enum Standing {
    /// The row in the database is not ours, or the log is to be looked at. To be claimed at this time.
    Unclaimed {
        due: Instant,
        /// The log gave a later record than it was asked for.
        about_gap: bool,
    },
    /// The last transaction, which began at this offset, ended in a way that tells nothing.
    Doubtful {
        from: i64,
    },
    /// The log is not the one that was read up to this place. To be looked at again at this time.
    Stopped {
        due: Instant,
        place: Place,
    },
    Ours(Position),
}

impl Standing {
    pub(super) fn unclaimed() -> Self {
        Self::Unclaimed { due: Instant::now(), about_gap: false }
    }

    pub(super) fn is_open(&self, now: Instant) -> bool {
        match self {
            Self::Unclaimed { due, .. } | Self::Stopped { due, .. } => *due <= now,
            Self::Doubtful { .. } => true,
            Self::Ours(_) => false,
        }
    }
}

/// Where we stand in a partition that is ours.
pub(super) struct Position {
    pub(super) next_offset: i64,
    /// As it stands in the database; less than `next_offset` where the records between were no concern of ours.
    pub(super) stored: i64,
    /// Since when it is less.
    pub(super) ahead_since: Option<Instant>,
    /// The keys whose later records wait. `None`: to be read; nobody else changes them while the partition is ours.
    pub(super) blocked: Option<HashSet<String>>,
    /// The last transaction failed because something is away.
    pub(super) retrying: bool,
    /// The log, asked for `next_offset`, gave a later record; it was looked at, and asked again.
    pub(super) asked_again: bool,
}

impl Position {
    pub(super) fn at(next_offset: i64) -> Self {
        Self {
            next_offset,
            stored: next_offset,
            ahead_since: None,
            blocked: None,
            retrying: false,
            asked_again: false,
        }
    }
}

/// How far a batch came.
pub(super) enum Applied {
    /// All of it; this is the next offset.
    Everything(i64),
    /// The partition belongs to another replica.
    Lost,
    /// Something is away, and whether the last transaction was committed is not known.
    Doubtful,
    /// The service stops. What is not applied comes again.
    Stopped,
}

/// Why a transaction did not commit.
#[derive(Debug)]
pub(super) enum Failed {
    /// The partition belongs to another replica.
    Lost,
    /// The database or the event log is away.
    Unavailable(StoreError),
    /// The records at these offsets can never be applied.
    Records(Vec<(i64, String)>),
    /// Some record of the batch is to blame; which one shows when they are tried one by one.
    Unattributed(String),
}

impl Failed {
    /// Of a statement in which records had a hand.
    pub(super) fn of_records(error: impl Into<StoreError>) -> Self {
        let error = error.into();
        if error.is_unavailable() { Self::Unavailable(error) } else { Self::Unattributed(error.to_string()) }
    }
}

/// Of our own statements: no record has a hand in them, so no record is to blame.
impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

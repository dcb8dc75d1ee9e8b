use std::time::Duration;

use messaging::EventLogError;
use messaging::mark::NotOurLog;
use storage::StoreError;

use crate::use_cases::ports::Difference;

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("the database failed")]
    Database(#[from] StoreError),
    #[error("the event log failed")]
    Log(#[from] EventLogError),
    #[error("the event log has delivered nothing for {} s; the topic is not complete, or not there", .0.as_secs())]
    Silent(Duration),
    #[error("another rebuild has taken over")]
    TakenOver,
    #[error("{0}; the view cannot be rebuilt from it. See `--begin-anew`")]
    Shorter(NotOurLog),
    #[error("the old view stays, because the new one would be poorer: {}; --force swaps all the same", .objections.join("; "))]
    Poorer { objections: Vec<String>, differences: Differences },
}

/// Some of what differs, and how many reservations do in all.
pub type Differences = Option<(Vec<Difference>, i64)>;

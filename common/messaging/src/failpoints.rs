//! What a step's error is where no statement failed.

use failpoints::Injected;

use crate::consumer::Failed;
use crate::handler::HandleError;
use crate::log::EventLogError;

impl From<Injected> for EventLogError {
    fn from(injected: Injected) -> Self {
        Self::unavailable("reaching a step", injected)
    }
}

impl From<Injected> for HandleError {
    fn from(injected: Injected) -> Self {
        Self::Database(injected.into())
    }
}

impl From<Injected> for Failed {
    fn from(injected: Injected) -> Self {
        Self::Unavailable(injected.into())
    }
}

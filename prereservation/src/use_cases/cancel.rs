//! Takes a reservation back. payment refunds and receipt withdraws when they read the fact.

use std::sync::Arc;

use identity::{Caller, Role};
use rights::{Denied, acting_for};
use storage::{StoreError, now_ms};

use super::ports::{ReservationStore, SavedOutcome};
use crate::domain::{CancelReason, Reservation, Status, Transition};

/// Retry limit of the optimistic lock. A reservation changes at most twice, so more conflicts are a bug.
const MOST_TRIES: u32 = 16;

pub struct Cancel {
    pub store: Arc<dyn ReservationStore>,
}

#[derive(Debug)]
pub enum Cancellation {
    Done(Reservation),
    /// The customer meant another version than this one; nothing was changed.
    OtherVersion(i64),
    /// The reservation is unknown, or was cancelled before.
    NotFound,
    /// It belongs to another user, or the caller is no customer; nothing was changed.
    Denied(Denied),
}

impl Cancel {
    /// Customers cancel what is their own, administrators everything. Only in a version that is allowed; no other change comes
    /// between this check and the cancellation.
    ///
    /// # Errors
    /// The store's; [`StoreError::Refused`] if another transaction changes the reservation at every try.
    pub async fn execute(
        &self,
        caller: &Caller,
        id: i64,
        allows: impl Fn(i64) -> bool,
    ) -> Result<Cancellation, StoreError> {
        for _ in 0..MOST_TRIES {
            let Some(mut reservation) = self.store.find(id).await? else {
                return Ok(Cancellation::NotFound);
            };
            let expected_version = reservation.version;
            // Whoever repeats the keyed request that is still waiting for its payment is told of the cancellation.
            let interrupted = reservation.status == Status::Pending;
            let Transition::Applied(fact) = reservation.cancel(CancelReason::ByCustomer, None, now_ms())
            else {
                return Ok(Cancellation::NotFound);
            };
            if let Err(denied) = acting_for(caller, Role::Customer, Some(reservation.details.user_id)) {
                return Ok(Cancellation::Denied(denied));
            }
            if !allows(expected_version) {
                return Ok(Cancellation::OtherVersion(expected_version));
            }
            let outcome = interrupted.then(|| SavedOutcome::of(&reservation));
            if self.store.save(&reservation, &fact, expected_version, outcome.as_ref()).await? {
                return Ok(Cancellation::Done(reservation));
            }
        }
        Err(StoreError::Refused(format!("reservation {id} cannot be changed").into()))
    }
}

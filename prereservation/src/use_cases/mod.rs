//! Everything prereservation can do, a file each; [`ports`] holds what they need from outside.

pub mod cancel;
pub mod ports;
pub mod purge_keys;
pub mod reserve;
pub mod take_over;

use std::sync::Arc;

/// What clients can ask for.
pub struct UseCases {
    pub reserve: reserve::Reserve,
    pub cancel: cancel::Cancel,
    /// Queries go to the store as they are.
    pub store: Arc<dyn ports::ReservationStore>,
}

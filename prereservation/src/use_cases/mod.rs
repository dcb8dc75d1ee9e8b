//! Everything prereservation can do, a file each; [`ports`] holds what they need from outside.

pub mod cancel;
pub mod ports;
pub mod purge_keys;
pub mod reserve;
pub mod take_over;

use rights::Reading;

/// What clients can ask for.
pub struct UseCases {
    pub reserve: reserve::Reserve,
    pub cancel: cancel::Cancel,
    pub reading: Reading<dyn ports::ReservationStore>,
}

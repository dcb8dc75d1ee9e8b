//! Everything prereservation can do, a file each; [`ports`] holds what they need from outside.

pub mod cancel;
#[cfg(feature = "failpoints")]
mod failpoints;
pub mod ports;
pub mod reserve;
pub mod take_over;

//! Everything prereservation can do, a file each; [`ports`] holds what they need from outside.

pub mod cancel;
pub mod ports;
pub mod reserve;
pub mod take_over;

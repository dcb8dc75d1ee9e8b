//! Everything receipt can do; [`ports`] holds what it needs from outside.

pub mod follow;
pub mod ports;

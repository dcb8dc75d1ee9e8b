//! Everything account can do; [`ports`] holds what it needs from outside.

pub mod administer;
pub mod first_administrator;
pub mod key_ring;
pub mod ports;
pub mod purge;
pub(crate) mod random;
pub mod refresh;
pub mod sessions;
pub mod sign_in;
pub mod sign_out;
pub mod sign_up;
pub mod throttle;

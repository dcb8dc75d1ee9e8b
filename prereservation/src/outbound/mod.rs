//! What the use cases need from outside, for real.

pub mod payment;
pub mod store;

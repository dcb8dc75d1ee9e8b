//! What the use cases need from outside, for real.

pub mod breaker;
pub mod payment;
pub mod store;

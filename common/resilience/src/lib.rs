//! Circuit breaker, bulkhead, timeout and retry: for every service that calls another.

mod breaker;

pub use breaker::{Breaker, BreakerSettings, NotPermitted, Permit};

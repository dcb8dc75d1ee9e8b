//! A circuit breaker with the names, defaults and meaning of Resilience4j's count-based one,
//! on top of `failsafe`.
//!
//! `failsafe` owns the states CLOSED, OPEN and HALF_OPEN and the clock between them. What is
//! here: a [failure policy](policy) over a [sliding window](window) that counts slow calls as
//! well, and a [thin layer](Breaker) for what `failsafe` lacks - a bounded number of trial calls
//! when half-open (it lets any number through, and the first success closes it), forced states,
//! and counts for the [actuator](web::actuator::Breaker) and the metrics.

mod layer;
mod metrics;
mod policy;
mod settings;
mod state;
mod window;

pub use layer::{Breaker, NotPermitted, Permit};
pub use settings::BreakerSettings;

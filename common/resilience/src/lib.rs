//! Circuit breaker, bulkhead, time limit and retry: for every service that calls another.
//!
//! [`ServiceClient`] puts them together: a service adds what it asks, and what the answers mean. [`Backoff`] gives the
//! pauses of a worker that tries again until it succeeds.

mod backoff;
mod breaker;
mod client;
mod settings;
mod standing;

pub use backoff::Backoff;
pub use breaker::{Breaker, BreakerSettings, NotPermitted, Permit};
pub use client::{Answer, ClientError, NoAnswer, NotAsked, Request, ServiceClient};
pub use reqwest::Method;
pub use settings::ClientSettings;
pub use standing::Standing;

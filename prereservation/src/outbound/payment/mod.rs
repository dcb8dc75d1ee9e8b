//! The one synchronous call of the system: asking payment to charge.
//!
//! Bulkhead (a semaphore, nobody queues) -> circuit breaker -> timeout -> HTTP.
//! [`PaymentClient`] walks through them; `request` is what is sent, `answer` reads what comes
//! back, and decides what is known about the customer's money.

mod answer;
mod payment_client;
mod request;
mod settings;
mod standing;

pub use payment_client::{PaymentClient, PaymentClientError};
pub use settings::PaymentClientSettings;

//! The one synchronous call of the system: asking payment to charge.
//!
//! [`PaymentClient`] says what is asked, `answer` what the answer, or its absence, says about the customer's money. Bulkhead,
//! circuit breaker, time limit and the second try are those of every client: [`resilience::ServiceClient`].

mod answer;
mod payment_client;

pub use payment_client::PaymentClient;

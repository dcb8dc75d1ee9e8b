//! What a payment is and what may become of it. Pure: no clock, no I/O, no HTTP, no SQL, no log.
//!
//! Reading order: [`order`] (what is to be paid), [`answer`] (what a card network says),
//! [`payment`] (the states, the transitions between them, and what a transition gives).

pub mod answer;
pub mod order;
pub mod payment;

pub use answer::{ChargeAnswer, Decline, RefundAnswer};
pub use events::{CardNumber, InvalidCard, MaskedCard};
pub use order::Order;
pub use payment::{Change, Payment, Refusal, State, Status, Transition};

#![doc = include_str!("../README.md")]
//! # Reading order
//! [`Event`] (the six facts, writing), [`Fact`] and [`ReadError`] (reading), then the fields
//! of each producer's facts, [`MaskedCard`] (all they say of a card), [`Status`], [`reason`], and [`headers()`].

mod admissible;
#[cfg(test)]
mod asyncapi;
mod card;
mod event;
mod headers;
mod lenient;
pub mod payment;
pub mod prereservation;
mod read;
pub mod receipt;
#[cfg(test)]
mod samples;
mod status;

pub use admissible::LARGEST_VERSION;
pub use card::{CardNumber, InvalidCard, MaskedCard};
pub use event::Event;
pub use headers::{CONTENT_TYPE, headers};
pub use payment::{PaymentCancelled, PaymentCreated};
pub use prereservation::{ReservationCancelled, ReservationCreated, reason};
pub use read::{Fact, ReadError};
pub use receipt::{ReceiptCancelled, ReceiptCreated};
pub use status::Status;

/// The one topic. Its records' key is [`Event::key`].
pub const TOPIC: &str = "prereservation";

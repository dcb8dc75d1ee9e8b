#![doc = include_str!("../README.md")]
//! # Reading order
//! [`Purchase`] (what most facts tell of), the facts of [`prereservation`], [`payment`], [`receipt`] and [`account`], the
//! topics that they lie in, and [`MaskedCard`] (all that facts say of a card). How facts travel is told by the crate
//! `envelope`.

pub mod account;
#[cfg(test)]
mod asyncapi;
mod card;
#[macro_use]
mod facts;
pub mod payment;
pub mod prereservation;
mod purchase;
pub mod receipt;
#[cfg(test)]
mod samples;
mod topics;

pub use account::{RolesChanged, UserBanned, UserSignedUp, UserUnbanned};
pub use card::{CardNumber, InvalidCard, MaskedCard};
pub use envelope::{Arrived, Envelope, Fact, ReadError, Topic};
pub use payment::{Payment, PaymentCancelled, PaymentCreated};
pub use prereservation::{Reservation, ReservationCancelled, ReservationCreated, reason};
pub use purchase::Purchase;
pub use receipt::{Receipt, ReceiptCancelled, ReceiptCreated};
pub use topics::{ACCOUNT, PRERESERVATION};

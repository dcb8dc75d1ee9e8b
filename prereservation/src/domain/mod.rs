//! The aggregate and its rules. Pure: no I/O, no HTTP, no SQL, no Kafka.

pub mod card;
mod reservation;

pub use reservation::{CancelReason, NewReservation, Reservation, Status, Transition};

//! The aggregate and its rules. Pure: no I/O, no HTTP, no SQL, no Kafka.

mod reservation;

pub use events::CardNumber;
pub use reservation::{CancelReason, NewReservation, Reservation, Status, Transition};

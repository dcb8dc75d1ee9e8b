//! The aggregate and its rules. Pure: no I/O, no HTTP, no SQL, no Kafka.

mod receipt;

pub use receipt::{Receipt, Status, Transition, issue, withdraw};

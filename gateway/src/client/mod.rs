//! The side of the clients. A connection's bytes pass the [`gate`] before hyper sees them.

mod connection;
mod gate;
mod head;
mod session;

pub(crate) use connection::{serve, turn_away};
pub(crate) use session::{BodyFailure, Session};

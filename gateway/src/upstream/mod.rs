//! The side of the services: addresses, and connections to them that are kept.

mod address;
mod connection;
mod nudge;

pub(crate) use address::{Address, ConnectError, Upstream};
pub(crate) use connection::{Connection, SendError};

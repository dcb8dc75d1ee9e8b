//! The side of the services: addresses, and connections to them that are kept.

mod address;
pub(crate) mod answer;
mod connection;
mod nudge;
mod uploads;

pub(crate) use address::{Address, ConnectError, Upstream};
pub(crate) use connection::{Connection, SendError};
pub(crate) use uploads::{Upload, Uploads};

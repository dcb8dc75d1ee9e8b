//! The side of the services: addresses, connections to them that are kept, and what goes over these.

mod address;
mod admission;
mod answer;
mod connection;
mod dialer;
mod nudge;
mod pool;
mod request_body;
mod size;
mod uploads;

pub(crate) use address::Address;
pub(crate) use admission::Busy;
pub(crate) use answer::{Begun, Streamed};
pub(crate) use connection::SendError;
pub(crate) use dialer::ConnectError;
pub(crate) use pool::{Lease, Upstream};
pub(crate) use request_body::{BodyBroken, RequestBody};
pub(crate) use uploads::Uploads;

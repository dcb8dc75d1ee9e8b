//! The side of the services: addresses, connections to them that are kept, and what goes over these.

mod address;
mod admission;
mod answer;
mod dialer;
mod nudge;
mod pool;
mod request_body;
mod service_connection;
mod size;
mod uploads;

pub(crate) use address::Address;
pub(crate) use admission::Busy;
pub(crate) use answer::{Begun, Streamed};
pub(crate) use dialer::ConnectError;
pub(crate) use pool::{Lease, Upstream};
pub(crate) use request_body::{BodyBroken, RequestBody};
pub(crate) use service_connection::SendError;
pub(crate) use uploads::Uploads;

//! The side of the clients. A connection's bytes pass the [`gate`] before hyper sees them.

mod chunks;
mod client_connection;
mod gate;
mod gone;
mod head;
mod linger;
mod places;
mod room;
mod welcome;

pub(crate) use client_connection::Clients;
pub(crate) use places::Places;
pub(crate) use room::{Others, Request};
pub(crate) use welcome::welcome;

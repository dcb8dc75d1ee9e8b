#![doc = include_str!("../README.md")]
//!
//! # Reading order
//!
//! A request's way, and the way in which files import each other:
//!
//! - `client`: a client's connection. `client::gate` lets only those requests through to hyper that `client::head` found to
//!   have one reading.
//! - `exchange`: a request from its head to the end of its answer: `exchange::handle`, CORS, header fields, the actuator.
//! - `routing`: the route that it takes; `routing::call` tries the addresses of the route one after the other.
//! - `upstream`: an address: connections to it that are kept, who waits for one, and what goes over them.
//!
//! Below them all: `progress` (what a client's connection is waiting for), `deadlines` (the one timer behind all time limits),
//! `fields`, `problems`, `metrics`. Above: [`startup`] (`listeners`, `threads` and the end), `gateway` (what the settings amount
//! to), `worker` (one thread).

mod check;
mod client;
mod deadlines;
mod exchange;
mod fields;
mod gateway;
mod listeners;
mod metrics;
mod problems;
mod progress;
mod routing;
pub mod settings;
pub mod startup;
mod threads;
mod upstream;
mod worker;

pub use check::DEFAULTS;
pub use settings::Settings;
pub use startup::{Application, BuildError};
pub use threads::RunError;

/// The name in metrics, logs and traces.
pub const APPLICATION: &str = "gateway";

#![doc = include_str!("../README.md")]
//!
//! # Reading order
//!
//! - [`startup`]: listeners, threads and the end; `gateway` is what the settings amount to, `worker` is one thread.
//! - `client`: a client's connection. `client::gate` lets only those requests through to hyper that `client::head`
//!   found to have one reading.
//! - `exchange`: a request from its head to the end of its answer: `routing`, CORS, header fields, `routing::call`.
//! - `upstream`: addresses of services and connections to them.
//! - `deadlines`: the one timer behind all time limits.

mod client;
mod deadlines;
mod exchange;
mod gateway;
mod metrics;
mod problems;
mod room;
mod routing;
pub mod settings;
pub mod startup;
mod upstream;
mod worker;

pub use settings::Settings;
pub use startup::{Application, BuildError, RunError};

/// The name in metrics, logs and traces.
pub const APPLICATION: &str = "gateway";

//! How the outside world reaches the use cases.

pub mod cli;
pub mod events;
pub mod http;

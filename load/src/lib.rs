//! What measures the system: it is started here as the processes that it is, driven over HTTP, and watched from outside.
//!
//! Reading order: [`binaries`] and [`infra`] (what is started, and on what), [`ground`] (databases and topic of one
//! run), [`plan`] and [`system`] (the processes), [`http`], [`closed_loop`] and [`open_loop`] (the load), [`cpu`] (what it costs),
//! [`settle`] (when everything is done), [`counts`] (what does not depend on the machine), [`report`] and [`plot`],
//! then [`figures`], one file each. [`faults`] and [`failpoints`] break it instead.

pub mod binaries;
pub mod cgroup;
pub mod closed_loop;
pub mod counts;
pub mod cpu;
pub mod error;
pub mod failpoints;
pub mod faults;
pub mod figures;
pub mod ground;
pub mod http;
pub mod infra;
pub mod loader;
pub mod open_loop;
pub mod plan;
pub mod plot;
pub mod process;
pub mod report;
pub mod reservations;
pub mod servers;
pub mod settle;
pub mod system;
pub mod tally;

pub use error::Error;
pub use ground::{Against, Ground, Stage};
pub use plan::{Plan, Service};
pub use system::System;

//! The harness of the customer's stories (`tests/stories`): whole systems, started as their users start them.
//!
//! Reading order: [`setup`] (on what a story runs), [`binaries`] (what is started), [`process`] (one of them),
//! [`system`] (all of them, and how to hurt them), [`chaos`] (a network that fails on call), [`http`] and
//! [`customer`] (what a user does), [`events`], [`ledger`] and [`collector`] (what can be seen from outside), [`waiting`],
//! [`report`] (which story ran where).

pub mod binaries;
pub mod chaos;
pub mod collector;
pub mod customer;
mod environment;
pub mod events;
pub mod http;
pub mod ledger;
mod ports;
pub mod process;
pub mod reaper;
pub mod report;
pub mod setup;
pub mod system;
pub mod waiting;

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// The one runtime of a test binary: clients and proxies of all stories run on it.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be started")
    })
}

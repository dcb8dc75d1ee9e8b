//! The system from outside: started as the processes that it is, asked over HTTP, watched, and hurt.
//!
//! Reading order: [`service`] (the list of them), [`binaries`] and [`infra`] (what is started, and on what), [`ground`]
//! (databases and topic of one run), [`ports`], [`process`] and [`reaper`] (one process, whose end is certain), [`plan`] and [`system`] (all of them),
//! [`chaos`] (a network that fails on call), [`http`] (a client), [`topic`], [`events`], [`ledger`], [`cpu`] and [`cgroup`] (what can
//! be seen from outside), [`waiting`], [`killed`] (whether anything outlives its runner).

pub mod binaries;
pub mod cgroup;
pub mod chaos;
pub mod cpu;
pub mod error;
pub mod events;
pub mod ground;
pub mod http;
pub mod infra;
pub mod killed;
pub mod ledger;
pub mod plan;
pub mod ports;
pub mod process;
pub mod reaper;
pub mod service;
pub mod system;
pub mod topic;
pub mod waiting;

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

pub use error::Error;
pub use ground::{Against, Ground, Stage};
pub use plan::Plan;
pub use service::Service;
pub use system::System;

/// The one runtime of a test binary: clients and proxies of all stories run on it.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be started")
    })
}

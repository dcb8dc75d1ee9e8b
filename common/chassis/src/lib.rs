//! The microservice chassis: what every service that keeps state and speaks through the log has in common.
//!
//! Reading order: [`service`] and [`settings`] (what a service says about itself, and what it can be told), [`process`] (what
//! `main.rs` calls), [`chassis`] (from settings to an application),
//! [`application`] (how it runs and ends), [`mod@begin_anew`] (a command of operators), [`bans`] (users whose tokens are refused), [`keys`] (whether tokens can be checked), [`checks`], [`topic_watch`] and
//! [`dead_letters`] (what its actuator shows).
//!
//! Source of the word: <https://microservices.io/patterns/microservice-chassis.html>

pub mod application;
mod bans;
mod begin_anew;
pub mod chassis;
mod checks;
mod dead_letters;
mod descriptions;
mod keys;
pub mod process;
pub mod service;
pub mod settings;
mod topic_watch;

pub use application::{Application, RunError};
pub use begin_anew::begin_anew;
pub use chassis::{Chassis, StartError};
pub use http_common::process::Outcome;
pub use process::{OwnCommand, main, main_with};
pub use service::Service;
pub use settings::{NothingOfItsOwn, OwnSettings, Settings, SharedSettings};
pub use telemetry::error_chain;

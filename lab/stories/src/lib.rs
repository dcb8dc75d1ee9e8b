//! The harness of the customer's stories (`tests/stories`): whole systems, started as their users start them.
//!
//! Reading order: [`setup`] (on what a story runs), [`binaries`] (what is started), [`process`] (one of them),
//! [`system`] (all of them, and how to hurt them), [`http`], [`customer`] and [`user`] (what a user does), [`collector`] (what can be
//! seen from outside), [`report`] (which story ran where).

pub mod binaries;
pub mod collector;
pub mod customer;
mod environment;
pub mod http;
pub mod process;
pub mod report;
pub mod setup;
pub mod system;
pub mod user;

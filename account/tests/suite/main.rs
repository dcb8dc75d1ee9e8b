//! The tests of the service, in one binary: each of its own would link everything once more.
//!
//! [`store_contract`] (what the ports demand of their adapters), [`refreshing`] (any order of uses of refresh tokens), [`keys`]
//! (keys that rotate), [`http`] (every row of the table of users, as clients see it), [`attacks`] (guessing, floods, secrets that
//! must show up nowhere), [`commands`] (of operators), [`timing`] (what the time of a sign-in says), [`settings`].
#![allow(clippy::unwrap_used)]

mod attacks;
mod commands;
mod http;
mod keys;
mod refreshing;
mod settings;
mod store_contract;
mod support;
mod timing;

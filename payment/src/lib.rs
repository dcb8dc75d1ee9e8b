#![doc = include_str!("../README.md")]
//! # Reading order
//! [`domain`] (the payment, its states and transitions), [`use_cases`] (what can be done, and the ports that it
//! needs), [`inbound`] (HTTP, events), [`outbound`] (the SQL store, the simulated card network), [`settings`],
//! [`app`].

pub mod app;
pub mod domain;
pub mod inbound;
pub mod outbound;
pub mod settings;
pub mod use_cases;

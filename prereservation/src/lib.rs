#![doc = include_str!("../README.md")]
//! # Reading order
//! [`domain`] (the reservation and its transitions), [`use_cases`] (what can be done, and the ports that it needs),
//! [`inbound`] (HTTP), [`outbound`] (the SQL store, the payment client behind its breaker), [`settings`], [`app`].

pub mod app;
pub mod domain;
pub mod inbound;
pub mod outbound;
pub mod settings;
pub mod use_cases;

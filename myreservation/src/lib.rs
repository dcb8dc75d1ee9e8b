#![doc = include_str!("../README.md")]
//! # Reading order
//! [`domain`] (what the facts make of a reservation), [`use_cases`] (reading one's own writes, rebuilding, watching
//! sagas, and the ports), [`inbound`] (events, HTTP, the command line), [`outbound`] (SQL), [`settings`], [`app`].

pub mod app;
pub mod domain;
pub mod inbound;
pub mod outbound;
pub mod settings;
pub mod use_cases;

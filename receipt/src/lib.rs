#![doc = include_str!("../README.md")]
//! # Reading order
//! [`domain`] (the receipt and its transitions), [`use_cases`] (what can be done, and the port that it needs),
//! [`inbound`] (events, HTTP), [`outbound`] (the SQL store), [`app`].

pub mod app;
pub mod domain;
pub mod inbound;
pub mod outbound;
pub mod use_cases;

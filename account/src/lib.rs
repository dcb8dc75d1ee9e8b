#![doc = include_str!("../README.md")]
//! # Reading order
//! [`inbound`] (HTTP), [`outbound`] (the SQL store), [`settings`], [`app`].

pub mod app;
pub mod inbound;
pub mod outbound;
pub mod settings;

#![doc = include_str!("../README.md")]
//! # Reading order
//! [`domain`] (users, passwords, refresh tokens), [`use_cases`] (what can be done, and the ports that it needs), [`inbound`]
//! (HTTP), [`outbound`] (the SQL stores, argon2id), [`settings`], [`app`].

pub mod app;
pub mod commands;
pub mod domain;
pub mod inbound;
pub mod outbound;
pub mod private_keys;
pub mod settings;
pub mod use_cases;

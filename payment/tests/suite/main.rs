//! The tests of the service, in one binary: each of its own would link everything once more.
//!
//! [`any_order`] (the domain), [`store_contract`] and [`provider_contract`] (what the ports demand of their adapters),
//! [`charging`] (the use case at its worst moments), [`http`], [`undoing`], [`bad_input`] (the whole service as others
//! see it), [`callers`] (who may charge), [`mod@rights`] (who may read), [`unwritable`] (a full disk and its like), [`settings`].
#![allow(clippy::unwrap_used)]

mod any_order;
mod bad_input;
mod callers;
mod charging;
mod http;
mod provider_contract;
mod rights;
mod settings;
mod store_contract;
mod support;
mod undoing;
mod unwritable;

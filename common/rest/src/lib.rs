//! Resources over HTTP on actix-web: HAL, paging, sorting, searches, lenient input, and a server that ends in order.
//! What does not depend on actix-web is in `http-common`.
//!
//! Reading order: [`server`] (what surrounds the routes), `collection` (a resource over a store), [`hal`] (how it is rendered),
//! [`input`] and [`paging`] (what clients send), [`failure`] (how a handler refuses).

mod actuator;
mod api;
pub mod base;
mod caller;
mod collection;
pub mod conditional;
mod connections;
mod date;
mod detached;
pub mod failure;
pub mod hal;
pub mod input;
mod methods;
mod middleware;
pub mod negotiation;
pub mod openapi;
pub mod paging;
mod read_condition;
mod request_metrics;
mod resource;
pub mod route_table;
pub mod server;
pub mod settings;
mod shared_reads;
mod stream;
mod to_the_end;

pub use api::Api;
pub use base::Base;
pub use caller::{Authentication, Caller};
pub use collection::{Collection, Pages};
pub use conditional::Preconditions;
pub use date::Date;
pub use failure::{Answer, Failure};
pub use http_common::{FieldError, Problem};
pub use input::{Body, Fields, Id};
pub use paging::{PageRequest, Paged, Sort};
pub use read_condition::{AtOnce, ReadCondition};
pub use resource::{Resource, Search};
pub use server::Server;
pub use settings::ServerSettings;
pub use shared_reads::SharedReads;
pub use to_the_end::to_the_end;

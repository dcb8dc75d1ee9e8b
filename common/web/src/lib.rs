//! HTTP as every service speaks it: resources rendered as HAL, problem documents, lenient input, the actuator, a server that ends in order.
//!
//! Reading order: [`server`] (what surrounds the routes), [`routes`] (what a resource offers), [`hal`] (how it is rendered),
//! [`input`] and [`paging`] (what clients send), [`internal`] (what services prove to each other), [`problem`] (every error), [`actuator`] (what operators see).
//!
//! [`problem`], [`lifecycle`], [`forwarded`] and [`actuator`] know no HTTP library: the gateway, which is built on hyper, uses them too.

pub mod actuator;
pub mod base;
pub mod conditional;
mod connections;
pub mod date;
mod detached;
pub mod forwarded;
pub mod hal;
pub mod input;
pub mod internal;
pub mod lifecycle;
pub mod management;
pub mod memory;
mod methods;
mod middleware;
pub mod negotiation;
pub mod openapi;
pub mod paging;
pub mod probe;
pub mod problem;
pub mod protective;
mod request_metrics;
pub mod route_table;
pub mod routes;
pub mod server;
pub mod settings;
mod shared_reads;
mod stream;
mod to_the_end;

pub use actuator::{
    Actuator, ActuatorEndpoint, ActuatorRequest, ActuatorResponse, Breaker, BreakerSnapshot, BreakerUpdate,
    DiskSpace, Health, HealthCheck, Json,
};
pub use base::Base;
pub use conditional::Preconditions;
pub use hal::{Resource, Search};
pub use input::{Body, Fields, Id, Query};
pub use internal::InternalSettings;
pub use lifecycle::{Lifecycle, Phase};
pub use management::ManagementSettings;
pub use memory::MemorySettings;
pub use paging::{PageRequest, Paged, Sort};
pub use problem::{FieldError, PROBLEM_JSON, Problem};
pub use server::Server;
pub use settings::ServerSettings;
pub use shared_reads::SharedReads;

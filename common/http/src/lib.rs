//! HTTP as every process of this system speaks it, whichever server it is built on: `rest` builds on actix-web, the
//! gateway on hyper, and nothing here on either.
//!
//! Reading order: [`problem`] (every error), [`forwarded`] (under which name a client asked), [`request_id`],
//! [`internal`] (what services prove to each other), [`session`] (the names of the cookies), [`lifecycle`] and [`actuator`] (what
//! operators see), [`probe`], [`process`] (what `main.rs` of every program calls).

pub mod actuator;
pub mod forwarded;
pub mod internal;
pub mod lifecycle;
pub mod management;
pub mod memory;
pub mod probe;
pub mod problem;
pub mod process;
pub mod protective;
pub mod request_id;
pub mod session;

pub use actuator::{
    Actuator, ActuatorEndpoint, ActuatorRequest, ActuatorResponse, Breaker, BreakerSnapshot, BreakerUpdate,
    DiskSpace, Health, HealthCheck, Json,
};
pub use internal::InternalSettings;
pub use lifecycle::Lifecycle;
pub use management::ManagementSettings;
pub use memory::MemorySettings;
pub use problem::{FieldError, PROBLEM_JSON, Problem};

/// The media type of what is not a resource.
pub const JSON: &str = "application/json";

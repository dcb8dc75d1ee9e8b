//! Logs, traces and metrics of a process.
//!
//! - [`init()`], called by `main` and nobody else, starts the log and, if an OTLP endpoint is set, the export of spans.
//! - [`Scope`] is carried by a task: the service, the trace and the request that its log lines name.
//! - [`TraceContext`] is the `traceparent` that travels in HTTP and event headers; [`Operation`] is a unit of work with
//!   its place in a trace: a request served, a call made, a batch handled.
//! - [`metrics_handle`] is the one Prometheus recorder of the process behind the `metrics` facade.
//! - [`error_chain()`] is what of an error fits in one line.
//! - [`log_control`] shows and changes log levels while the process runs (`/actuator/loggers`).
//!
//! With no OTLP endpoint a request costs a few random bytes and the moves of a task-local; no span is allocated.

mod cardinality;
mod error_chain;
mod init;
mod labels;
mod log;
mod metrics;
mod operation;
mod process;
mod scope;
mod settings;
mod trace_context;

pub use error_chain::error_chain;
pub use init::{TelemetryError, TelemetryGuard, init};
pub use labels::{method_label, outcome_label};
pub use log::{LevelError, LogControl, LogLevel, LoggerLevels, log_control};
pub use metrics::{CONTENT_TYPE, Metrics, metrics_handle};
pub use operation::{Kind, Operation, exports_spans};
pub use scope::Scope;
pub use settings::{LogFormat, LogSettings, TracingSettings};
pub use trace_context::{InvalidTraceparent, TRACEPARENT_LENGTH, TraceContext};

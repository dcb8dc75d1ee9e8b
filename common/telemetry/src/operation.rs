//! Units of work that a trace shows: a request served, a call made, a record published or handled.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, Value};
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{Scope, TraceContext};

/// Target of the spans made here; the log leaves them out, for its lines carry the trace id already.
pub(crate) const TARGET: &str = "telemetry::operation";

/// Whether spans are exported at all.
static EXPORTING: AtomicBool = AtomicBool::new(false);

pub(crate) fn start_exporting() {
    EXPORTING.store(true, Ordering::Relaxed);
}

/// Whether spans are collected at all. Worth asking before many are begun that nobody would see.
pub fn exports_spans() -> bool {
    EXPORTING.load(Ordering::Relaxed)
}

/// The side of a message that an operation is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Serves a request.
    Server,
    /// Makes a request and waits for the answer.
    Client,
    /// Publishes records.
    Producer,
    /// Handles records.
    Consumer,
    /// Neither.
    Internal,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Server => "server",
            Kind::Client => "client",
            Kind::Producer => "producer",
            Kind::Consumer => "consumer",
            Kind::Internal => "internal",
        }
    }

    /// Whether what caused the operation happened in another process.
    fn has_remote_cause(self) -> bool {
        matches!(self, Kind::Server | Kind::Consumer)
    }
}

/// A unit of work with its place in a trace.
///
/// Its [`context`](Self::context) is what to pass on as `traceparent`. When the span is exported, the context names that
/// very span. When it is not (no OTLP endpoint, or a trace that is not sampled), the operation is two random numbers
/// and everything else here does nothing, so that it may stand on the path of every request.
///
/// The span ends when the operation and the futures it runs are dropped.
#[derive(Debug)]
pub struct Operation {
    span: Span,
    context: TraceContext,
}

impl Operation {
    /// Begins an operation caused by `parent`; without one, a new trace begins.
    pub fn start(kind: Kind, name: impl Into<Cow<'static, str>>, parent: Option<TraceContext>) -> Operation {
        Operation::made(kind, name.into(), parent, || Scope::with_current(Scope::application))
    }

    /// Begins an operation of that service, where no scope says yet whose it is.
    pub fn of(
        application: &'static str,
        kind: Kind,
        name: impl Into<Cow<'static, str>>,
        parent: Option<TraceContext>,
    ) -> Operation {
        Operation::made(kind, name.into(), parent, || Some(application))
    }

    fn made(
        kind: Kind,
        name: Cow<'static, str>,
        parent: Option<TraceContext>,
        application: impl FnOnce() -> Option<&'static str>,
    ) -> Operation {
        let context = parent.map_or_else(TraceContext::new_root, TraceContext::child);
        if !context.is_sampled() || !exports_spans() {
            return Operation { span: Span::none(), context };
        }
        let span = tracing::info_span!(
            target: TARGET,
            "operation",
            otel.name = &*name,
            otel.kind = kind.as_str(),
            application = application(),
        );
        // The subscriber has disabled this span.
        let _ = span.set_parent(parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(span_context(parent, kind.has_remote_cause()))
        }));
        let context = exported(&span).unwrap_or(context);
        Operation { span, context }
    }

    /// An operation caused by the current one.
    pub fn child(kind: Kind, name: impl Into<Cow<'static, str>>) -> Operation {
        Operation::start(kind, name, TraceContext::current())
    }

    /// What to pass on, and what [`run`](Self::run) makes current.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Whether anybody will see the span. Worth asking before a name or a value is built at some cost.
    pub fn is_exported(&self) -> bool {
        !self.span.is_none()
    }

    /// The span itself; none when it is not exported.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Gives the operation the name that was not known when it began, such as `GET /payments/{id}`.
    pub fn rename(&self, name: &str) {
        if self.is_exported() {
            self.span.context().span().update_name(name.to_owned());
        }
    }

    /// Adds an attribute; for names see OpenTelemetry's semantic conventions (`http.response.status_code`).
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        if self.is_exported() {
            self.span.set_attribute(key, value);
        }
    }

    /// Names another cause, where several traces join: the records of a batch.
    pub fn link(&self, cause: TraceContext) {
        if self.is_exported() {
            self.span.add_link(span_context(cause, true));
        }
    }

    /// Marks the operation as failed.
    pub fn fail(&self, reason: impl Into<Cow<'static, str>>) {
        if self.is_exported() {
            self.span.set_status(opentelemetry::trace::Status::error(reason));
        }
    }

    /// Runs the future as this operation: its context is the current one, and spans made meanwhile are its children.
    pub fn run<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        Scope::current().with_trace(self.context).run(future.instrument(self.span.clone()))
    }
}

fn span_context(context: TraceContext, remote: bool) -> SpanContext {
    SpanContext::new(
        TraceId::from(context.trace_id()),
        SpanId::from(context.span_id()),
        TraceFlags::default().with_sampled(context.is_sampled()),
        remote,
        TraceState::NONE,
    )
}

/// The ids under which the span will be exported.
fn exported(span: &Span) -> Option<TraceContext> {
    let context = span.context();
    let span = context.span();
    let ids = span.span_context();
    TraceContext::new(
        u128::from_be_bytes(ids.trace_id().to_bytes()),
        u64::from_be_bytes(ids.span_id().to_bytes()),
        ids.is_sampled(),
    )
}

//! What is kept of a request until its answer is over: for metrics, the trace and the log.

use std::{rc::Rc, time::Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use http_common::request_id;
use telemetry::{Kind, Operation, TraceContext};

use super::caller::{Caller, Context};
use crate::{
    metrics::{MethodLabel, Series, Side},
    routing::Route,
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static(request_id::HEADER);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What a request is for.
pub(super) enum Resource {
    Route(Rc<Route>),
    Actuator,
    Root,
    /// Refused before it was known, or nothing is there.
    Unknown,
}

impl Resource {
    fn series<'c>(&'c self, context: &'c Context) -> &'c Series {
        match self {
            Self::Route(route) => &route.series,
            Self::Actuator => &context.actuator,
            Self::Root => &context.root,
            Self::Unknown => &context.unknown,
        }
    }
}

/// Lives as long as the exchange. When it is dropped, the request is counted and the connection is idle again.
pub(super) struct Observation {
    caller: Rc<Caller>,
    began: Instant,
    method: MethodLabel,
    resource: Resource,
    /// 499 until there is an answer: nginx's status for a client that did not wait.
    status: u16,
    operation: Operation,
    /// The request came with a trace.
    continued: bool,
    /// The trace of the request goes on unchanged, because the gateway exports no span of its own.
    carried: bool,
    request_id: HeaderValue,
}

impl Observation {
    pub(super) fn begin<B>(caller: &Rc<Caller>, request: &Request<B>) -> Self {
        let headers = request.headers();
        let parent = headers.get(TRACEPARENT).and_then(|value| TraceContext::parse_bytes(value.as_bytes()));
        let operation = Operation::of(crate::APPLICATION, Kind::Server, "gateway", parent);
        let continued = parent.is_some();
        let carried = continued && !operation.is_exported();
        let request_id = headers
            .get(X_REQUEST_ID)
            .filter(|id| request_id::is_acceptable(id.as_bytes()))
            .cloned()
            .unwrap_or_else(|| of_trace(operation.context()));
        Self {
            caller: caller.clone(),
            began: Instant::now(),
            method: MethodLabel::of(request.method()),
            resource: Resource::Unknown,
            status: 499,
            operation,
            continued,
            carried,
            request_id,
        }
    }

    pub(super) fn is_for(&mut self, resource: Resource) {
        self.resource = resource;
    }

    /// No page of another origin may read the actuator, so its answers have no CORS fields.
    pub(super) fn is_cross_origin_matter(&self) -> bool {
        !matches!(self.resource, Resource::Actuator)
    }

    /// Tells the service which request and which trace this is.
    pub(super) fn trace(&self, headers: &mut HeaderMap) {
        headers.insert(X_REQUEST_ID, self.request_id.clone());
        if !self.continued {
            // It belongs to a `traceparent` that is missing or not valid.
            headers.remove(TRACESTATE);
        }
        if !self.carried
            && let Ok(value) = HeaderValue::from_bytes(&self.operation.context().to_traceparent())
        {
            headers.insert(TRACEPARENT, value);
        }
    }

    /// Tells the client which request this was.
    pub(super) fn name(&self, headers: &mut HeaderMap) {
        headers.insert(X_REQUEST_ID, self.request_id.clone());
    }

    pub(super) fn answered(&mut self, target: &Uri, status: StatusCode) {
        self.status = status.as_u16();
        tracing::debug!(
            peer = %self.caller.peer,
            method = self.method.as_str(),
            path = target.path(),
            status = self.status,
            request_id = ?self.request_id,
            "answered"
        );
    }

    pub(super) fn caller(&self) -> &Rc<Caller> {
        &self.caller
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let series = self.resource.series(&self.caller.context);
        series.record(Side::Server, self.method, self.status, self.began.elapsed().as_secs_f64());
        if self.operation.is_exported() {
            let route = series.uri();
            self.operation.rename(&format!("{} {route}", self.method.as_str()));
            self.operation.set("http.request.method", self.method.as_str());
            self.operation.set("http.route", route.to_owned());
            self.operation.set("http.response.status_code", i64::from(self.status));
            if self.status >= 500 {
                self.operation.fail("");
            }
        }
        self.caller.progress.answered();
    }
}

fn of_trace(trace: TraceContext) -> HeaderValue {
    HeaderValue::from_bytes(&request_id::of_trace(trace)).unwrap_or(HeaderValue::from_static("none"))
}

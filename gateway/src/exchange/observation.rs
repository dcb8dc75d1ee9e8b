//! What is kept of a request until its answer is over: for metrics, the trace and the log.

use std::{rc::Rc, time::Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use telemetry::{Kind, Operation, TraceContext};

use crate::{
    client::Session,
    metrics::{MethodLabel, Resource, Side},
};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// As long as it lives the connection is busy with this request; then it is idle again, and the request is counted.
pub(crate) struct Exchange {
    session: Rc<Session>,
    began: Instant,
    method: MethodLabel,
    resource: Resource,
    /// 499, as nginx says, until there is another: the client did not wait.
    status: u16,
    operation: Operation,
    /// The request came with a trace.
    continued: bool,
    /// And no span of ours stands between that trace and the service.
    carried: bool,
    request_id: HeaderValue,
}

impl Exchange {
    pub(crate) fn begin<B>(session: &Rc<Session>, request: &Request<B>) -> Self {
        let headers = request.headers();
        let parent = headers.get(TRACEPARENT).and_then(|value| TraceContext::parse_bytes(value.as_bytes()));
        let operation = Operation::of(crate::APPLICATION, Kind::Server, "gateway", parent);
        let continued = parent.is_some();
        let carried = continued && !operation.is_exported();
        let request_id = headers
            .get(X_REQUEST_ID)
            .filter(|id| is_request_id(id))
            .cloned()
            .unwrap_or_else(|| request_id(operation.context()));
        Self {
            session: session.clone(),
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

    pub(crate) fn is_for(&mut self, resource: Resource) {
        self.resource = resource;
    }

    /// The gateway's own pages are nothing for scripts from elsewhere.
    pub(crate) fn is_cross_origin_matter(&self) -> bool {
        self.resource != Resource::Actuator
    }

    /// Tells the service which request and which trace this is.
    pub(crate) fn trace(&self, headers: &mut HeaderMap) {
        headers.insert(X_REQUEST_ID, self.request_id.clone());
        if !self.continued {
            // Says something about a trace that is not this one.
            headers.remove(TRACESTATE);
        }
        if !self.carried
            && let Ok(value) = HeaderValue::from_bytes(&self.operation.context().to_traceparent())
        {
            headers.insert(TRACEPARENT, value);
        }
    }

    /// Tells the client which request this was.
    pub(crate) fn name(&self, headers: &mut HeaderMap) {
        headers.insert(X_REQUEST_ID, self.request_id.clone());
    }

    pub(crate) fn answered(&mut self, target: &Uri, status: StatusCode) {
        self.status = status.as_u16();
        tracing::debug!(
            peer = %self.session.peer,
            method = self.method.as_str(),
            path = target.path(),
            status = self.status,
            request_id = ?self.request_id,
            "answered"
        );
    }

    pub(crate) fn session(&self) -> &Rc<Session> {
        &self.session
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let metrics = &self.session.worker.metrics;
        let seconds = self.began.elapsed().as_secs_f64();
        metrics.record(Side::Server, self.resource, self.method, self.status, seconds);
        if self.operation.is_exported() {
            let route = metrics.uri(self.resource);
            self.operation.rename(&format!("{} {route}", self.method.as_str()));
            self.operation.set("http.request.method", self.method.as_str());
            self.operation.set("http.route", route.to_owned());
            self.operation.set("http.response.status_code", i64::from(self.status));
            if self.status >= 500 {
                self.operation.fail("");
            }
        }
        self.session.answered();
    }
}

/// The id of the trace serves as that of the request.
fn request_id(trace: TraceContext) -> HeaderValue {
    HeaderValue::from_bytes(&trace.to_traceparent()[3..35]).unwrap_or(HeaderValue::from_static("none"))
}

/// Something that can stand in a log line.
fn is_request_id(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    (1..=128).contains(&id.len())
        && id.iter().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=')
        })
}

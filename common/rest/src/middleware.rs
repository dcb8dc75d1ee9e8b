//! What surrounds every request: identity, trace, time limit, panics, problem documents, metrics, access log. One layer, one allocation.

use std::{
    cell::RefCell,
    future::{Ready, ready},
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    Error, HttpMessage as _, HttpResponse,
    body::BoxBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
    error::InternalError,
    http::{
        ConnectionType, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use futures::{FutureExt, future::LocalBoxFuture};
use telemetry::{Kind, Operation, Scope, TraceContext};
use tracing::Instrument;

use http_common::{JSON, Lifecycle, PROBLEM_JSON, Problem, protective, request_id};

use crate::{
    caller::ToldByToken, conditional, detached::detach, failure::Failure, negotiation::HAL_JSON,
    request_metrics::RequestMetrics, route_table::RouteTable,
};

static X_REQUEST_ID: HeaderName = HeaderName::from_static(request_id::HEADER);
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

static PROTECTIVE: [(HeaderName, HeaderValue); 3] = [protective(0), protective(1), protective(2)];

const fn protective(index: usize) -> (HeaderName, HeaderValue) {
    let (name, value) = protective::FIELDS[index];
    (HeaderName::from_static(name), HeaderValue::from_static(value))
}

/// What one worker keeps for all of its requests.
pub(crate) struct Shared {
    pub(crate) application: &'static str,
    pub(crate) timeout: Duration,
    pub(crate) routes: RouteTable,
    pub(crate) metrics: RefCell<RequestMetrics>,
    pub(crate) lifecycle: Lifecycle,
}

pub(crate) struct Surround(pub(crate) Rc<Shared>);

impl<S> Transform<S, ServiceRequest> for Surround
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = Surrounded<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Surrounded { service, shared: Rc::clone(&self.0) }))
    }
}

pub(crate) struct Surrounded<S> {
    service: S,
    shared: Rc<Shared>,
}

impl<S> Service<ServiceRequest> for Surrounded<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    actix_web::dev::forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let started = Instant::now();
        // For an answer to a request that is no more; a few reference counts, no copy.
        let uri = request.uri().clone();
        let shared = Rc::clone(&self.shared);
        let route = shared.routes.find(request.path());
        let method = telemetry::method_label(request.method().as_str());
        let leaves_traces = !request.method().is_safe();
        if leaves_traces {
            detach(&mut request);
        }
        let parent =
            request.headers().get(&TRACEPARENT).and_then(|value| TraceContext::parse_bytes(value.as_bytes()));
        let operation = Operation::of(shared.application, Kind::Server, "", parent);
        let request_id = request_id_of(request.headers(), operation.context());
        let scope = Scope::default()
            .with_application(shared.application)
            .with_request_id(Arc::clone(&request_id))
            .with_trace(operation.context());

        // Routing happens inside of this call, so it has to be in reach of the panic guard too.
        let handled = std::panic::catch_unwind(AssertUnwindSafe(|| self.service.call(request)));
        Box::pin(scope.run(async move {
            let outcome = match handled {
                Ok(handler) => {
                    let handler =
                        AssertUnwindSafe(handler.instrument(operation.span().clone())).catch_unwind();
                    match tokio::time::timeout(shared.timeout, handler).await {
                        Ok(Ok(outcome)) => outcome,
                        Ok(Err(panic)) => Err(panicked(&*panic)),
                        Err(_) => Err(too_slow(shared.timeout, leaves_traces)),
                    }
                }
                Err(panic) => Err(panicked(&*panic)),
            };
            let (request, mut response) = match outcome.map(|response| conditional::answer(finish(response)))
            {
                Ok(response) => {
                    let (request, response) = response.into_parts();
                    (Some(request), response)
                }
                Err(error) => (None, answer_to(&error, uri.path())),
            };
            let status = response.status();
            // A kept connection that is busy until the server drains would be closed under its next request.
            if shared.lifecycle.is_stopping() {
                response.head_mut().set_connection_type(ConnectionType::Close);
            }
            let headers = response.headers_mut();
            if let Ok(value) = HeaderValue::from_str(&request_id) {
                headers.insert(X_REQUEST_ID.clone(), value);
            }
            if status == StatusCode::SERVICE_UNAVAILABLE && !headers.contains_key(header::RETRY_AFTER) {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            if request.as_ref().is_some_and(|request| request.extensions().contains::<ToldByToken>()) {
                // Also where a handler has its answer stored.
                headers.insert(header::VARY, HeaderValue::from_static("Authorization, Cookie"));
            }
            for (name, value) in &PROTECTIVE {
                if !headers.contains_key(name) {
                    headers.insert(name.clone(), value.clone());
                }
            }
            let elapsed = started.elapsed();
            shared.metrics.borrow_mut().record(&shared.routes, route, method, status.as_u16(), elapsed);
            if operation.is_exported() {
                describe(&operation, method, shared.routes.template(route), status);
            }
            tracing::debug!(
                target: "rest::access",
                method,
                uri = shared.routes.template(route),
                status = status.as_u16(),
                elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
                "answered"
            );
            match request {
                Some(request) => Ok(ServiceResponse::new(request, response)),
                None => Err(InternalError::from_response("", response).into()),
            }
        }))
    }
}

fn request_id_of(headers: &HeaderMap, context: TraceContext) -> Arc<str> {
    let carried =
        headers.get(&X_REQUEST_ID).map(HeaderValue::as_bytes).filter(|id| request_id::is_acceptable(id));
    let of_trace = request_id::of_trace(context);
    std::str::from_utf8(carried.unwrap_or(&of_trace)).unwrap_or_default().into()
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(message, "a request handler panicked");
    Failure::from(Problem::internal()).into()
}

fn too_slow(limit: Duration, leaves_traces: bool) -> Error {
    tracing::warn!(limit_ms = limit.as_millis() as u64, "a request was not answered in time");
    let detail = if leaves_traces {
        "The request took too long; it may still be carried out."
    } else {
        "The request took too long and was given up."
    };
    Failure::from(Problem::unavailable(detail, 1)).into()
}

/// The answer where the request went with its handler.
fn answer_to(error: &Error, path: &str) -> HttpResponse {
    let problem = error.as_error::<Failure>().map(|failure| failure.problem().clone()).unwrap_or_else(|| {
        tracing::error!(%error, "a request failed");
        Problem::internal()
    });
    Failure::from(problem.instance(path)).into_response()
}

fn describe(operation: &Operation, method: &'static str, uri: &str, status: StatusCode) {
    operation.rename(&format!("{method} {uri}"));
    operation.set("http.request.method", method);
    operation.set("http.route", uri.to_owned());
    operation.set("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        operation.fail(status.canonical_reason().unwrap_or("server error"));
    }
}

/// Makes a problem document of every error that is not one yet, and says in each which path it is about.
fn finish(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    if let Some(failure) = response.response().error().and_then(|error| error.as_error::<Failure>()) {
        let problem = failure.problem().clone().instance(response.request().path());
        return replaced(response, problem);
    }
    match response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) {
        Some(known) if is_ours(known) => response,
        // actix-web's own errors: no body, or a text that may quote what was sent.
        _ => {
            if let Some(error) = response.response().error().filter(|_| status.is_server_error()) {
                tracing::error!(%error, "a request failed");
            }
            let problem = Problem::new(status.as_u16()).instance(response.request().path());
            replaced(response, problem)
        }
    }
}

fn is_ours(content_type: &[u8]) -> bool {
    [PROBLEM_JSON, HAL_JSON, JSON].iter().any(|known| known.as_bytes() == content_type)
}

fn replaced(response: ServiceResponse<BoxBody>, problem: Problem) -> ServiceResponse<BoxBody> {
    let (request, old) = response.into_parts();
    let mut new = Failure::from(problem).into_response();
    // Kept is what was added to the problem: an `Allow` that actix-web knew, a token of the service.
    for (name, value) in old.headers() {
        if !new.headers().contains_key(name) {
            new.headers_mut().insert(name.clone(), value.clone());
        }
    }
    ServiceResponse::new(request, new)
}

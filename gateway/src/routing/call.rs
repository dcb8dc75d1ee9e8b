//! Sends a request to one of the addresses of its route.
//!
//! After a failed try, a request that certainly was not sent (the connection was refused, or the kept connection was closed)
//! is sent again. A request that perhaps was sent is sent again only if its method is safe and it has no body.

use std::{
    error::Error,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Poll, ready},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header, request::Parts};
use http_common::Problem;
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedSemaphorePermit;

use super::route::Route;
use crate::{
    fields,
    metrics::{MethodLabel, Side},
    problems,
    progress::Progress,
    upstream::{Begun, Busy, ConnectError, Lease, RequestBody, SendError, Streamed, Upstream},
};

/// The most tries beyond one for each address. Kept connections may turn out to be closed.
const SPARE_TRIES: usize = 3;

/// One request on its way, with all its tries.
pub(crate) struct Call {
    progress: Rc<Progress>,
    route: Rc<Route>,
    repeatable: bool,
    method: MethodLabel,
    /// None when it perhaps was sent and must not be sent again.
    request: Option<Request<RequestBody>>,
}

/// Why a try at one address brought no answer.
enum Failure {
    /// The service has as many requests as it may have.
    Busy,
    NotReached(ConnectError),
    /// The service closed the kept connection before a byte was written.
    NotSent(hyper::Error),
    /// The connection broke; perhaps the service has the request.
    Broken {
        error: hyper::Error,
        kept: bool,
    },
    /// The time was over; perhaps the service has the request.
    Late,
    /// The service switched to another protocol, which nobody asked for: `Upgrade` is not passed on.
    Upgraded,
    /// The length or the encoding of the answer can be read in more than one way.
    Ambiguous,
}

impl Call {
    pub(crate) fn new(progress: &Rc<Progress>, route: &Rc<Route>, parts: Parts, body: Incoming) -> Self {
        let definition = &route.definition;
        let has_body = !body.is_end_stream();
        progress.deadline.set(match has_body {
            true => definition.body_timeout_ms,
            false => definition.response_timeout_ms,
        });
        let repeatable = !has_body && parts.method.is_safe();
        let method = MethodLabel::of(&parts.method);
        let body = RequestBody::new(body, definition.body_limit, definition.response_timeout_ms, progress);
        Self {
            progress: progress.clone(),
            route: route.clone(),
            repeatable,
            method,
            request: Some(Request::from_parts(parts, body)),
        }
    }

    /// The request, while a part of its body is still to come.
    pub(crate) fn incomplete(&mut self) -> Option<&mut Request<RequestBody>> {
        self.request.as_mut().filter(|request| request.body().is_due())
    }

    /// Tries until there is an answer, or no further try is allowed.
    pub(crate) async fn make(&mut self) -> Result<Response<Streamed>, Problem> {
        let turn = self.route.turn();
        let mut tries = turn.len() + SPARE_TRIES;
        let mut step = 0;
        let mut failure = Failure::Busy;
        while tries > 0
            && let Some(upstream) = self.route.upstream(&turn, step)
        {
            tries -= 1;
            failure = match self.attempt(&upstream).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            if self.request.is_none() {
                break;
            }
            match &failure {
                // The client is told 503. A request that was sent now would have its effect all the same.
                Failure::Busy if self.progress.deadline.expired() => break,
                Failure::NotSent(_) | Failure::Broken { kept: true, .. } => {}
                _ => step += 1,
            }
        }
        Err(self.explain(&failure))
    }

    /// One try at one address. Without an answer the request is still here if it may be sent again.
    async fn attempt(&mut self, upstream: &Rc<Upstream>) -> Result<Response<Streamed>, Failure> {
        let permit = match self.incomplete().is_some() {
            // Boxed: it is rare, and its state would enlarge the future of every request.
            true => Box::pin(self.admit_streamed(upstream)).await,
            false => upstream.admission.admit(&self.progress.deadline).await,
        };
        let permit = permit.map_err(|Busy| Failure::Busy)?;
        let began = Instant::now();
        let connection = upstream.take();
        let kept = connection.is_some();
        let connection = match connection {
            Some(connection) => connection,
            // Boxed for the same reason.
            None => match Box::pin(upstream.connect(self.connect_timeout())).await {
                Ok(connection) => connection,
                Err(error) => {
                    self.record(0, began);
                    return Err(Failure::NotReached(error));
                }
            },
        };
        let mut lease = Lease::new(upstream, connection, permit);
        // It is there: `make` does not try without it.
        let Some(mut request) = self.request.take() else { return Err(Failure::Late) };
        request.headers_mut().insert(header::HOST, upstream.authority().clone());
        let copy = self.repeatable.then(|| Copy::of(&request));
        let mut answer = pin!(lease.start(request));
        let mut ambiguous = false;
        let sent = poll_fn(|cx| {
            let sent = ready!(lease.poll_answer(answer.as_mut(), &self.progress.deadline, cx));
            Poll::Ready(sent.and_then(|response| {
                ambiguous = fields::is_ambiguous(response.version(), response.headers());
                Begun::of(response, &mut lease, cx).map_err(SendError::Broken)
            }))
        })
        .await;
        if ambiguous {
            self.record(0, began);
            return Err(Failure::Ambiguous);
        }
        match sent {
            Ok(begun) if begun.status().is_informational() => Err(Failure::Upgraded),
            Ok(begun) => {
                self.record(begun.status().as_u16(), began);
                upstream.answered(fields::closes(begun.headers()));
                let mut response = begun.pass_on(lease);
                self.route.narrow_allow(response.headers_mut());
                Ok(response)
            }
            Err(SendError::NotSent(request, error)) => {
                upstream.forget_idle();
                self.request = Some(*request);
                Err(Failure::NotSent(error))
            }
            Err(SendError::Broken(error)) => {
                self.record(0, began);
                upstream.forget_idle();
                self.request = copy.map(|copy| copy.into_request(&self.progress));
                Err(Failure::Broken { error, kept })
            }
            Err(SendError::Deadline) => {
                self.record(0, began);
                upstream.forget_idle();
                Err(Failure::Late)
            }
        }
    }

    /// Waits until the service has a connection for one request more whose body is too long to be read ahead.
    async fn admit_streamed(&mut self, upstream: &Upstream) -> Result<OwnedSemaphorePermit, Busy> {
        let turn = upstream.admission.admit_upload(&self.progress.deadline).await?;
        if let Some(request) = &mut self.request {
            request.body_mut().takes(turn);
        }
        upstream.admission.admit(&self.progress.deadline).await
    }

    fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.route.definition.connect_timeout_ms)
    }

    fn record(&self, status: u16, began: Instant) {
        self.route.series.record(Side::Client, self.method, status, began.elapsed().as_secs_f64());
    }

    /// The problem document for the client. The cause goes to the log, here and nowhere else.
    fn explain(&self, failure: &Failure) -> Problem {
        if let Some(failure) = self.progress.body_failure() {
            return failure.problem();
        }
        let (problem, cause): (Problem, &dyn Error) = match failure {
            // Ordinary under load, and in the metrics: no line in the log.
            Failure::Busy => return problems::no_connection_free(),
            Failure::NotReached(error @ ConnectError::Timeout) => (problems::connect_timeout(), error),
            Failure::NotReached(error) => (problems::refused_by_service(), error),
            Failure::Late if self.progress.is_body_due() => return problems::late_body(),
            Failure::Late => (problems::response_timeout(), &NoAnswer::InTime),
            Failure::NotSent(error) | Failure::Broken { error, .. } => (problems::broken_answer(), error),
            Failure::Upgraded => (problems::broken_answer(), &NoAnswer::InThisProtocol),
            Failure::Ambiguous => (problems::broken_answer(), &NoAnswer::WithOneReading),
        };
        let source = cause.source().map(ToString::to_string);
        tracing::warn!(
            route = self.route.definition.id,
            method = self.method.as_str(),
            status = problem.status,
            error = %cause,
            source,
            "no answer from the service"
        );
        problem
    }
}

#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("the time was over")]
    InTime,
    #[error("the service switched to another protocol")]
    InThisProtocol,
    #[error("the length or the encoding of the service's answer has more than one reading")]
    WithOneReading,
}

/// A copy of a request without a body, to send it once more.
struct Copy {
    method: Method,
    uri: Uri,
    headers: HeaderMap<HeaderValue>,
}

impl Copy {
    fn of(request: &Request<RequestBody>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        }
    }

    fn into_request(self, progress: &Rc<Progress>) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::none(progress));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

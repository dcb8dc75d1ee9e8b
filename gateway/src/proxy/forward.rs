//! Sends a request to one of the addresses of its route.
//!
//! Whether it may go to another one afterwards depends on what is known about the first try. Certainly not sent (refused,
//! or the kept connection was closed): always. Perhaps sent: only if the method is safe and there is no body.

use std::{
    future::poll_fn,
    pin::pin,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header, request::Parts};
use hyper::body::{Body as _, Incoming};
use web::Problem;

use super::{
    body::{Content, RequestBody},
    headers,
};
use crate::{
    inbound::{BodyFailure, Session},
    metrics::{MethodLabel, Resource, Side},
    problems::{self, malformed},
    routing::Route,
    upstream::{ConnectError, Connection, SendError},
    worker::Worker,
};

/// How often a request is begun at most, beyond once at each address: kept connections may turn out to be closed.
const SPARE_TRIES: usize = 3;

/// One request on its way, with all its tries.
pub(super) struct Call {
    session: Rc<Session>,
    route: usize,
    repeatable: bool,
    method: MethodLabel,
    /// None while it is being sent.
    request: Option<Request<RequestBody>>,
}

enum Failure {
    NotReached(ConnectError),
    Send(SendError),
    Upgraded,
}

/// What follows from a try that failed.
enum Next {
    SameAddress,
    OtherAddress,
}

impl Call {
    pub(super) fn new(session: &Rc<Session>, index: usize, parts: Parts, body: Incoming) -> Self {
        let route = &session.worker.gateway.routes[index];
        let has_body = !body.is_end_stream();
        session.deadline.set(match has_body {
            true => route.body_timeout_ms,
            false => route.response_timeout_ms,
        });
        let body = RequestBody::new(body, route.body_limit, route.response_timeout_ms, session);
        Self {
            session: session.clone(),
            route: index,
            repeatable: !has_body && parts.method.is_safe(),
            method: MethodLabel::of(&parts.method),
            request: Some(Request::from_parts(parts, body)),
        }
    }

    pub(super) async fn make(&mut self) -> Result<Response<Content>, Problem> {
        let worker = self.session.worker.clone();
        let turn = worker.turn(self.route);
        let mut tries = turn.len() + SPARE_TRIES;
        let mut failure = Failure::NotReached(ConnectError::Timeout);
        for step in 0..turn.len() {
            let upstream = turn.get(step);
            while tries > 0 {
                tries -= 1;
                match self.attempt(&worker, upstream, &mut failure).await {
                    Ok(response) => return Ok(response),
                    Err(Some(Next::SameAddress)) => {}
                    Err(Some(Next::OtherAddress)) => break,
                    Err(None) => return Err(self.explain(failure)),
                }
            }
        }
        Err(self.explain(failure))
    }

    /// One try at one address. Without an answer: why, in `failure`, and where to try next, if anywhere.
    async fn attempt(
        &mut self,
        worker: &Worker,
        upstream: usize,
        failure: &mut Failure,
    ) -> Result<Response<Content>, Option<Next>> {
        let to = &worker.upstreams[upstream];
        let permit = match to.admit(&self.session.deadline).await {
            Ok(permit) => permit,
            Err(error) => {
                *failure = Failure::NotReached(error);
                // Sent anywhere now, nobody would wait for what becomes of it.
                let over = self.session.deadline.expired();
                return Err((!over).then_some(Next::OtherAddress));
            }
        };
        let began = Instant::now();
        let now = worker.deadlines.now();
        let kept = to.take(now);
        let fresh = kept.is_none();
        let mut connection = match kept {
            Some(connection) => connection,
            // In a box, for it is rare.
            None => match Box::pin(to.connect(self.connect_timeout(), now)).await {
                Ok(connection) => connection,
                Err(error) => {
                    self.record(0, began);
                    *failure = Failure::NotReached(error);
                    return Err(Some(Next::OtherAddress));
                }
            },
        };
        connection.permit = Some(permit);
        let Some(mut request) = self.request.take() else {
            return Err(None);
        };
        request.headers_mut().insert(header::HOST, to.address.authority.clone());
        let copy = self.repeatable.then(|| Copy::of(&request));
        let mut answer = pin!(connection.start(request));
        let sent = poll_fn(|cx| connection.poll_answer(answer.as_mut(), &self.session.deadline, cx)).await;
        match sent {
            // Nobody asked for another protocol: the field that would have is not passed on.
            Ok(response) if response.status().is_informational() => {
                *failure = Failure::Upgraded;
                Err(None)
            }
            Ok(response) => {
                self.record(response.status().as_u16(), began);
                to.answered(headers::closes(response.headers()), now);
                Ok(pass_on(response, self.route(), worker, upstream, connection))
            }
            Err(SendError::NotSent(request, error)) => {
                to.forget_idle();
                self.request = Some(*request);
                *failure = Failure::Send(SendError::Broken(error));
                Err(Some(Next::SameAddress))
            }
            Err(error) => {
                self.record(0, began);
                to.forget_idle();
                let over = matches!(error, SendError::Deadline);
                *failure = Failure::Send(error);
                match copy {
                    Some(copy) if !over => {
                        self.request = Some(copy.into_request(&self.session));
                        Err(Some(if fresh { Next::OtherAddress } else { Next::SameAddress }))
                    }
                    _ => Err(None),
                }
            }
        }
    }

    fn route(&self) -> &Route {
        &self.session.worker.gateway.routes[self.route]
    }

    fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.route().connect_timeout_ms)
    }

    fn record(&self, status: u16, began: Instant) {
        let resource = Resource::Route(self.route);
        let seconds = began.elapsed().as_secs_f64();
        self.session.worker.metrics.record(Side::Client, resource, self.method, status, seconds);
    }

    /// What the client is told. The cause of it is told to the log, here and nowhere else.
    fn explain(&self, failure: Failure) -> Problem {
        let problem = match (&failure, self.session.body_failure()) {
            (_, Some(BodyFailure::TooLarge)) => return Problem::payload_too_large(),
            (_, Some(BodyFailure::Malformed)) => {
                return malformed("The body of the request is not valid, or broke off.");
            }
            // As ordinary under load as any answer: it is in the metrics.
            (Failure::NotReached(ConnectError::Busy), _) => return problems::no_connection_free(),
            (Failure::NotReached(ConnectError::Timeout), _) => problems::connect_timeout(),
            (Failure::NotReached(_), _) => problems::refused_by_service(),
            (Failure::Send(SendError::Deadline), _) if self.session.is_body_due() => {
                return Problem::new(408).detail("The body of the request did not arrive in time.");
            }
            (Failure::Send(SendError::Deadline), _) => problems::response_timeout(),
            (Failure::Send(_) | Failure::Upgraded, _) => problems::broken_answer(),
        };
        let cause = match &failure {
            Failure::NotReached(error) => error as &dyn std::error::Error,
            Failure::Send(SendError::Broken(error) | SendError::NotSent(_, error)) => error,
            Failure::Send(SendError::Deadline) => &NoAnswer::InTime,
            Failure::Upgraded => &NoAnswer::InThisProtocol,
        };
        let source = cause.source().map(ToString::to_string);
        tracing::warn!(
            route = self.route().id,
            method = self.method.as_str(),
            status = problem.status,
            error = %cause,
            source,
            "no answer from the service"
        );
        problem
    }
}

/// The service's answer as the client's, its body still to come.
fn pass_on(
    response: Response<Incoming>,
    route: &Route,
    worker: &Worker,
    upstream: usize,
    connection: Box<Connection>,
) -> Response<Content> {
    let (mut parts, incoming) = response.into_parts();
    headers::strip_answer(&mut parts.headers);
    headers::narrow_allow(&mut parts.headers, route);
    let connection = match incoming.is_end_stream() {
        true => {
            worker.give_back(upstream, connection);
            None
        }
        false => Some(connection),
    };
    Response::from_parts(parts, Content::Streamed { incoming, connection, upstream })
}

#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("the time was over")]
    InTime,
    #[error("the service switched to another protocol")]
    InThisProtocol,
}

/// What is needed to send a request without a body once more.
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

    fn into_request(self, session: &Rc<Session>) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::none(session));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

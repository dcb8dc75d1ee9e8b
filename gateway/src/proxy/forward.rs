//! Sends a request to one of the addresses of its route.
//!
//! Whether it may go to another one afterwards depends on what is known about the first try. Certainly not sent (refused,
//! or the kept connection was closed): always. Perhaps sent: only if the method is safe and there is no body.

use std::{
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
    upstream::{ConnectError, SendError},
};

/// How often a request is begun at most, beyond once at each address: kept connections may turn out to be closed.
const SPARE_TRIES: usize = 3;

pub(super) async fn forward(
    session: &Rc<Session>,
    index: usize,
    parts: Parts,
    body: Incoming,
) -> Result<Response<Content>, Problem> {
    let route = &session.worker.gateway.routes[index];
    let has_body = !body.is_end_stream();
    session.deadline.set(match has_body {
        true => route.body_timeout_ms,
        false => route.response_timeout_ms,
    });
    let repeatable = !has_body && parts.method.is_safe();
    let method = MethodLabel::of(&parts.method);
    let body = RequestBody::new(body, route.body_limit, route.response_timeout_ms, session);
    let call = Call { session, index, route, repeatable, method };
    let response = call.make(Request::from_parts(parts, body)).await;
    response.map_err(|error| call.explain(error))
}

/// One request on its way, with all its tries.
struct Call<'a> {
    session: &'a Rc<Session>,
    index: usize,
    route: &'a Route,
    repeatable: bool,
    method: MethodLabel,
}

enum Failure {
    NotReached(ConnectError),
    Send(SendError),
    Upgraded,
}

impl Call<'_> {
    async fn make(&self, mut request: Request<RequestBody>) -> Result<Response<Content>, Failure> {
        let worker = &self.session.worker;
        let limit = Duration::from_millis(self.route.connect_timeout_ms);
        let turn = worker.turn(self.index, self.route);
        let mut tries = turn.len() + SPARE_TRIES;
        let mut failure = None;
        'addresses: for step in 0..turn.len() {
            let upstream = self.route.addresses[turn.get(step)];
            let to = &worker.upstreams[upstream];
            request.headers_mut().insert(header::HOST, to.address.authority.clone());
            while tries > 0 {
                tries -= 1;
                let now = worker.deadlines.now();
                let kept = to.take(now);
                let fresh = kept.is_none();
                let began = Instant::now();
                let mut connection = match kept {
                    Some(connection) => connection,
                    None => match to.connect(limit, now).await {
                        Ok(connection) => connection,
                        Err(error) => {
                            self.record(0, began.elapsed().as_secs_f64());
                            failure = Some(Failure::NotReached(error));
                            continue 'addresses;
                        }
                    },
                };
                let copy = self.repeatable.then(|| Copy::of(&request));
                let sent = connection.send(request, &self.session.deadline).await;
                let status = sent.as_ref().map_or(0, |response| response.status().as_u16());
                let seconds = began.elapsed().as_secs_f64();
                match sent {
                    // Nobody asked for another protocol: the field that would have is not passed on.
                    Ok(response) if response.status().is_informational() => {
                        return Err(Failure::Upgraded);
                    }
                    Ok(response) => {
                        self.record(status, seconds);
                        let (mut parts, incoming) = response.into_parts();
                        headers::strip_answer(&mut parts.headers);
                        let connection = match incoming.is_end_stream() {
                            true => {
                                worker.give_back(upstream, connection);
                                None
                            }
                            false => Some(connection),
                        };
                        return Ok(Response::from_parts(
                            parts,
                            Content::Streamed { incoming, connection, upstream },
                        ));
                    }
                    Err(SendError::NotSent(back, error)) => {
                        to.forget_idle();
                        request = *back;
                        failure = Some(Failure::Send(SendError::Broken(error)));
                    }
                    Err(SendError::Broken(error)) => {
                        self.record(status, seconds);
                        let broken = Failure::Send(SendError::Broken(error));
                        let Some(copy) = copy else {
                            return Err(broken);
                        };
                        request = copy.into_request(self.session);
                        failure = Some(broken);
                        to.forget_idle();
                        if fresh {
                            continue 'addresses;
                        }
                    }
                    Err(SendError::Deadline) => {
                        self.record(status, seconds);
                        return Err(Failure::Send(SendError::Deadline));
                    }
                }
            }
        }
        Err(failure.unwrap_or(Failure::NotReached(ConnectError::Timeout)))
    }

    fn record(&self, status: u16, seconds: f64) {
        self.session.worker.metrics.record(
            Side::Client,
            Resource::Route(self.index),
            self.method,
            status,
            seconds,
        );
    }

    /// What the client is told. The cause of it is told to the log, here and nowhere else.
    fn explain(&self, failure: Failure) -> Problem {
        let problem = match (&failure, self.session.body_failure()) {
            (_, Some(BodyFailure::TooLarge)) => return Problem::payload_too_large(),
            (_, Some(BodyFailure::Malformed)) => {
                return malformed("The body of the request is not valid, or broke off.");
            }
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
            route = self.route.id,
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

//! Sends a request to one of the addresses of its route.
//!
//! Whether it may go to another one afterwards depends on what is known about the first try. Certainly not sent (refused,
//! or the kept connection was closed): always. Perhaps sent: only if the method is safe and there is no body.

use std::{
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Poll, ready},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header, request::Parts};
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use web::Problem;

use super::Route;
use crate::{
    client::Session,
    exchange::{Content, RequestBody, body::broken_body, headers, read_ahead},
    metrics::{MethodLabel, Resource, Side},
    problems,
    upstream::{ConnectError, SendError, Upstream, answer},
    worker::Worker,
};

/// How often a request is begun at most, beyond once at each address: kept connections may turn out to be closed.
const SPARE_TRIES: usize = 3;

/// One request on its way, with all its tries.
pub(crate) struct Call {
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
    Ambiguous,
}

/// What follows from a try that failed.
enum Next {
    SameAddress,
    OtherAddress,
}

impl Call {
    pub(crate) fn new(session: &Rc<Session>, index: usize, parts: Parts, body: Incoming) -> Self {
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

    pub(crate) async fn make(&mut self) -> Result<Response<Content>, Problem> {
        if let Some(request) = &mut self.request
            && request.body().is_due()
        {
            read_ahead::read_ahead(request, &self.session).await?;
        }
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
        let permit = match self.is_body_streamed() {
            // In a box, for it is rare.
            true => Box::pin(self.admit_streamed(to)).await,
            false => to.admit(&self.session.deadline).await,
        };
        let permit = match permit {
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
        let mut ambiguous = false;
        let sent = poll_fn(|cx| {
            let sent = ready!(connection.poll_answer(answer.as_mut(), &self.session.deadline, cx));
            Poll::Ready(sent.and_then(|response| {
                ambiguous = headers::is_ambiguous(response.version(), response.headers());
                answer::begin(response, &mut connection, cx).map_err(SendError::Broken)
            }))
        })
        .await;
        if ambiguous {
            self.record(0, began);
            *failure = Failure::Ambiguous;
            return Err(None);
        }
        match sent {
            // Nobody asked for another protocol: the field that would have is not passed on.
            Ok(begun) if begun.status().is_informational() => {
                *failure = Failure::Upgraded;
                Err(None)
            }
            Ok(begun) => {
                self.record(begun.status().as_u16(), began);
                to.answered(headers::closes(begun.headers()), now);
                Ok(begun.pass_on(self.route(), worker, upstream, connection))
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

    /// Whether the body is too long to be read ahead, and a part of it still to come.
    fn is_body_streamed(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.body().is_due())
    }

    /// Waits until the service has a connection for one such request more.
    async fn admit_streamed(&mut self, to: &Upstream) -> Result<OwnedSemaphorePermit, ConnectError> {
        let turn = to.admit_upload(&self.session.deadline).await?;
        if let Some(request) = &mut self.request {
            request.body_mut().takes(turn);
        }
        to.admit(&self.session.deadline).await
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
            (_, Some(_)) => return broken_body(&self.session),
            // As ordinary under load as any answer: it is in the metrics.
            (Failure::NotReached(ConnectError::Busy), _) => return problems::no_connection_free(),
            (Failure::NotReached(ConnectError::Timeout), _) => problems::connect_timeout(),
            (Failure::NotReached(_), _) => problems::refused_by_service(),
            (Failure::Send(SendError::Deadline), _) if self.session.is_body_due() => {
                return problems::late_body();
            }
            (Failure::Send(SendError::Deadline), _) => problems::response_timeout(),
            (Failure::Send(_) | Failure::Upgraded | Failure::Ambiguous, _) => problems::broken_answer(),
        };
        let cause = match &failure {
            Failure::NotReached(error) => error as &dyn std::error::Error,
            Failure::Send(SendError::Broken(error) | SendError::NotSent(_, error)) => error,
            Failure::Send(SendError::Deadline) => &NoAnswer::InTime,
            Failure::Upgraded => &NoAnswer::InThisProtocol,
            Failure::Ambiguous => &NoAnswer::WithOneReading,
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

#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("the time was over")]
    InTime,
    #[error("the service switched to another protocol")]
    InThisProtocol,
    #[error("the length or the encoding of the service's answer has more than one reading")]
    WithOneReading,
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

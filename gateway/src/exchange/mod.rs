//! One request: checked, routed, sent on, answered.

mod actuator;
pub(crate) mod body;
mod cors;
mod forwarded;
pub(crate) mod headers;
mod observation;
pub(crate) mod read_ahead;
mod root;

use std::{convert::Infallible, pin::Pin, rc::Rc};

use http::{HeaderValue, Method, Request, Response, Uri, header, request::Parts};
use hyper::body::Incoming;
use web::Problem;

pub(crate) use actuator::Routes;
pub(crate) use body::{Content, RequestBody, ResponseBody};
pub(crate) use cors::Cors;
pub(crate) use forwarded::ForwardedHeaders;

use self::{cors::Verdict, observation::Exchange};
use crate::{
    client::Session,
    metrics::Resource,
    problems::{self, malformed},
    routing::{self, Call, Match},
};

/// What can be asked for at all: `TRACE` and `CONNECT` are never passed on.
const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

/// How a request goes on, once it was looked at.
enum Step {
    /// It is over.
    Answered(Result<Response<Content>, Problem>),
    /// To a service.
    Call(Call),
    /// To the gateway's own pages; in a box, for they are rare and would make room for themselves in every request.
    Actuator(Pin<Box<dyn Future<Output = Result<Response<Content>, Problem>>>>),
}

/// Answers a request, whatever it is.
pub(crate) fn handle(
    session: &Rc<Session>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + use<> {
    let mut exchange = Exchange::begin(session, &request);
    let origin = request.headers().get(header::ORIGIN).cloned();
    let target = request.uri().clone();
    let step = decide(session, request, &mut exchange, origin.as_ref())
        .unwrap_or_else(|problem| Step::Answered(Err(problem)));
    respond(exchange, target, origin, step)
}

async fn respond(
    mut exchange: Exchange,
    target: Uri,
    origin: Option<HeaderValue>,
    mut step: Step,
) -> Result<Response<ResponseBody>, Infallible> {
    let answer = match &mut step {
        Step::Answered(answer) => std::mem::replace(answer, Err(Problem::internal())),
        Step::Call(call) => call.make().await,
        Step::Actuator(answer) => answer.await,
    };
    let mut response = match answer {
        Ok(response) => response,
        Err(problem) => problems::response(&problem.instance(target.path())).map(Content::Full),
    };
    let is_own = matches!(response.body(), Content::Full(_));
    let headers = response.headers_mut();
    if is_own {
        problems::protect(headers);
    }
    let session = exchange.session();
    if exchange.is_cross_origin_matter()
        && let Some(cors) = &session.worker.gateway.cors
    {
        cors.decorate(headers, origin.as_ref());
    }
    exchange.name(headers);
    if session.is_last() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    session.answering();
    exchange.answered(&target, response.status());
    Ok(response.map(|content| ResponseBody::new(content, exchange)))
}

/// Everything that can be said without waiting for anybody.
fn decide(
    session: &Rc<Session>,
    request: Request<Incoming>,
    exchange: &mut Exchange,
    origin: Option<&HeaderValue>,
) -> Result<Step, Problem> {
    let (mut parts, body) = request.into_parts();
    let gateway = &session.worker.gateway;
    if matches!(parts.method, Method::TRACE | Method::CONNECT) {
        return Err(Problem::method_not_allowed(METHODS));
    }
    let host = headers::take_host(&mut parts, session.local())?;
    if parts.uri.path() == "*" {
        return any_resource(&parts.method).map(|answer| Step::Answered(Ok(answer)));
    }
    let path = routing::canonical(parts.uri.path())?;
    if routing::is_actuator(&path) {
        exchange.is_for(Resource::Actuator);
        let (path, session) = (path.into_owned(), session.clone());
        let answer = async move { actuator::answer(&session, &parts, &path, body, &host).await };
        return Ok(Step::Actuator(Box::pin(answer)));
    }
    exchange.is_for(Resource::Unknown);
    if let Some(cors) = &gateway.cors
        && let Some(origin) = origin
    {
        let own = session.forwarded.client_origin(&parts.headers, &host);
        match cors.judge(&parts, origin, &own) {
            Verdict::Passes => {}
            Verdict::Preflight(response) => return Ok(Step::Answered(Ok(response.map(Content::Full)))),
            Verdict::Refused(why) => return Err(Problem::new(403).detail(why)),
        }
    }
    let route = match routing::find(&gateway.routes, &parts.method, &path) {
        Match::Route(route) => route,
        Match::OtherMethods(allow) => return Err(Problem::method_not_allowed(allow)),
        Match::None if path == "/" => {
            exchange.is_for(Resource::Root);
            headers::prepare(&mut parts, host, &session.forwarded);
            let answer = root::answer(&gateway.routes, &parts.method, &parts.headers)?;
            return Ok(Step::Answered(Ok(answer.map(Content::Full))));
        }
        Match::None => return Err(problems::no_route()),
    };
    exchange.is_for(Resource::Route(route));
    if let Some(length) = content_length(&parts)
        && length > gateway.routes[route].body_limit
    {
        return Err(Problem::payload_too_large());
    }
    headers::prepare(&mut parts, host, &session.forwarded);
    // After that, so that nothing a client says takes it out again.
    exchange.trace(&mut parts.headers);
    Ok(Step::Call(Call::new(session, route, parts, body)))
}

/// `OPTIONS *` asks about the server as a whole.
fn any_resource(method: &Method) -> Result<Response<Content>, Problem> {
    if *method != Method::OPTIONS {
        return Err(malformed("The request target is not a path."));
    }
    let mut response = Response::new(Content::Full(bytes::Bytes::new()));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(METHODS));
    Ok(response)
}

fn content_length(parts: &Parts) -> Option<u64> {
    parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F>(_: impl Fn(&Rc<Session>, Request<Incoming>) -> F) -> usize {
        size_of::<F>()
    }

    /// It is moved into place for every request.
    #[test]
    fn the_state_of_a_request_is_small() {
        let size = size_of_future(handle);
        assert!(size <= 2720, "{size} bytes");
    }
}

//! One request: checked, routed, sent on, answered.

mod body;
mod cors;
mod exchange;
mod forward;
mod forwarded;
mod headers;

use std::{borrow::Cow, convert::Infallible, rc::Rc};

use http::{HeaderValue, Method, Request, Response, header, request::Parts};
use hyper::body::Incoming;
use web::Problem;

pub(crate) use body::{Content, RequestBody, ResponseBody};
pub(crate) use cors::Cors;
pub(crate) use forwarded::ForwardedHeaders;

use self::{cors::Verdict, exchange::Exchange};
use crate::{
    actuator,
    inbound::Session,
    metrics::Resource,
    problems::{self, malformed},
    routing::{self, Match},
};

/// What can be asked for at all: `TRACE` and `CONNECT` are never passed on.
const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

/// Answers a request, whatever it is.
pub(crate) async fn handle(
    session: Rc<Session>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let mut exchange = Exchange::begin(&session, &request);
    let origin = request.headers().get(header::ORIGIN).cloned();
    let target = request.uri().clone();
    let answered = answer(&session, request, &mut exchange, origin.as_ref()).await;
    let mut response = match answered {
        Ok(response) => response,
        Err(mut problem) => {
            target.path().clone_into(&mut problem.instance);
            problems::response(&problem).map(Content::Full)
        }
    };
    let headers = response.headers_mut();
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

async fn answer(
    session: &Rc<Session>,
    request: Request<Incoming>,
    exchange: &mut Exchange,
    origin: Option<&HeaderValue>,
) -> Result<Response<Content>, Problem> {
    let (mut parts, body) = request.into_parts();
    let gateway = &session.worker.gateway;
    if matches!(parts.method, Method::TRACE | Method::CONNECT) {
        return Err(Problem::method_not_allowed(METHODS));
    }
    let host = headers::take_host(&mut parts)?;
    if parts.uri.path() == "*" {
        return any_resource(&parts.method);
    }
    let path = routing::canonical(parts.uri.path())?;
    if routing::is_actuator(&path) {
        exchange.is_for(Resource::Actuator);
        let path = path.into_owned();
        return actuator::answer(session, &parts, &path, body, origin, &host).await;
    }
    exchange.is_for(Resource::Unknown);
    if let Some(cors) = &gateway.cors
        && let Some(origin) = origin
    {
        match cors.judge(&parts, origin, &host) {
            Verdict::Passes => {}
            Verdict::Preflight(response) => return Ok(response.map(Content::Full)),
            Verdict::Refused(why) => return Err(Problem::new(403).detail(why)),
        }
    }
    let route = find(session, &parts, path)?;
    exchange.is_for(Resource::Route(route));
    if let Some(length) = content_length(&parts)
        && length > gateway.routes[route].body_limit
    {
        session.end_after_this();
        return Err(Problem::payload_too_large());
    }
    exchange.trace(&mut parts.headers);
    headers::prepare(&mut parts, host, &session.forwarded);
    forward::forward(session, route, parts, body).await
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

fn find(session: &Session, parts: &Parts, path: Cow<'_, str>) -> Result<usize, Problem> {
    match routing::find(&session.worker.gateway.routes, &parts.method, &path) {
        Match::Route(route) => Ok(route),
        Match::OtherMethods(allow) => Err(Problem::method_not_allowed(allow)),
        Match::None => Err(problems::no_route()),
    }
}

fn content_length(parts: &Parts) -> Option<u64> {
    parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

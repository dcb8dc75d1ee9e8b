//! One request: checked, routed, sent on, answered.

use std::{convert::Infallible, pin::Pin, rc::Rc};

use http::{HeaderValue, Method, Request, Response, Uri, header, request::Parts};
use http_common::Problem;
use hyper::body::Incoming;

use super::{
    actuator,
    body::{Content, ResponseBody},
    caller::Caller,
    cors::Verdict,
    headers,
    observation::{Observation, Resource},
    read_ahead::read_ahead,
    root,
};
use crate::{
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
    /// To the gateway's own pages. Boxed: they are rare, and their state would enlarge the future of every request.
    Actuator(Pin<Box<dyn Future<Output = Result<Response<Content>, Problem>>>>),
}

/// Answers a request, whatever it is.
pub(crate) fn handle(
    caller: &Rc<Caller>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + use<> {
    caller.progress.head_understood();
    let mut observation = Observation::begin(caller, &request);
    let origin = request.headers().get(header::ORIGIN).cloned();
    let target = request.uri().clone();
    let step = decide(caller, request, &mut observation, origin.as_ref())
        .unwrap_or_else(|problem| Step::Answered(Err(problem)));
    respond(observation, target, origin, step)
}

async fn respond(
    mut observation: Observation,
    target: Uri,
    origin: Option<HeaderValue>,
    mut step: Step,
) -> Result<Response<ResponseBody>, Infallible> {
    let answer = match &mut step {
        Step::Answered(answer) => std::mem::replace(answer, Err(Problem::internal())),
        Step::Call(call) => send(call, observation.caller()).await,
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
    let caller = observation.caller();
    if observation.is_cross_origin_matter()
        && let Some(cors) = &caller.context.rules.cors
    {
        cors.decorate(headers, origin.as_ref());
    }
    observation.name(headers);
    if caller.progress.is_last() || caller.context.is_draining() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    caller.progress.answering();
    observation.answered(&target, response.status());
    Ok(response.map(|content| ResponseBody::new(content, observation)))
}

/// Has a service answer it.
async fn send(call: &mut Call, caller: &Caller) -> Result<Response<Content>, Problem> {
    if let Some(request) = call.incomplete() {
        read_ahead(request, caller).await?;
    }
    Ok(call.make().await?.map(Content::Streamed))
}

/// Everything that can be decided without waiting.
fn decide(
    caller: &Rc<Caller>,
    request: Request<Incoming>,
    observation: &mut Observation,
    origin: Option<&HeaderValue>,
) -> Result<Step, Problem> {
    let (mut parts, body) = request.into_parts();
    let context = &caller.context;
    if matches!(parts.method, Method::TRACE | Method::CONNECT) {
        return Err(Problem::method_not_allowed(METHODS));
    }
    let host = headers::take_host(&mut parts, caller.local)?;
    if parts.uri.path() == "*" {
        return any_resource(&parts.method).map(|answer| Step::Answered(Ok(answer)));
    }
    let path = routing::canonical(parts.uri.path())?;
    if routing::is_actuator(&path) {
        observation.is_for(Resource::Actuator);
        let (path, caller) = (path.into_owned(), caller.clone());
        let answer = async move { actuator::answer(&caller, &parts, &path, body, &host).await };
        return Ok(Step::Actuator(Box::pin(answer)));
    }
    observation.is_for(Resource::Unknown);
    if let Some(cors) = &context.rules.cors
        && let Some(origin) = origin
    {
        let own = caller.forwarded.client_origin(&parts.headers, &host);
        match cors.judge(&parts, origin, &own) {
            Verdict::Passes => {}
            Verdict::Preflight(response) => return Ok(Step::Answered(Ok(response.map(Content::Full)))),
            Verdict::Refused(why) => return Err(Problem::new(403).detail(why)),
        }
    }
    context.rules.cross_site.check(&parts, || caller.forwarded.client_origin(&parts.headers, &host))?;
    let route = match context.table.find(&parts.method, &path) {
        Match::Route(route) => route,
        Match::OtherMethods(allow) => return Err(Problem::method_not_allowed(allow)),
        Match::None if path == "/" && !context.table.routes().is_empty() => {
            observation.is_for(Resource::Root);
            headers::prepare(&mut parts, host, &caller.forwarded, &context.rules.trusted_proxies);
            let answer = root::answer(context.table.routes(), &parts.method, &parts.headers)?;
            return Ok(Step::Answered(Ok(answer.map(Content::Full))));
        }
        Match::None => return Err(problems::no_route()),
    };
    observation.is_for(Resource::Route(route.clone()));
    if let Some(length) = content_length(&parts)
        && length > route.definition.body_limit
    {
        return Err(Problem::payload_too_large());
    }
    headers::prepare(&mut parts, host, &caller.forwarded, &context.rules.trusted_proxies);
    // After `prepare`, so that a client's `Connection` field cannot remove these.
    observation.trace(&mut parts.headers);
    Ok(Step::Call(Call::new(&caller.progress, route, parts, body)))
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

    fn size_of_future<F>(_: impl Fn(&Rc<Caller>, Request<Incoming>) -> F) -> usize {
        size_of::<F>()
    }

    /// It is moved into place for every request.
    #[test]
    fn the_state_of_a_request_is_small() {
        let size = size_of_future(handle);
        assert!(size <= 2720, "{size} bytes");
    }
}

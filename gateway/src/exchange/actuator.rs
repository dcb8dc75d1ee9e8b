//! The gateway's own pages below `/actuator`. No route leads to those of the services. [`http_common::actuator`] decides who may
//! see what, as for every service.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use http_common::{ActuatorRequest, Problem};
use hyper::body::Incoming;

use super::{body::Content, caller::Caller};
use crate::problems;

const BODY_LIMIT: usize = 65_536;

/// Answers a request for a path below `/actuator`, which came as these parts for this host.
pub(super) async fn answer(
    caller: &Caller,
    parts: &Parts,
    path: &str,
    body: Incoming,
    host: &HeaderValue,
) -> Result<Response<Content>, Problem> {
    let body = read(caller, body).await?;
    let actuator = &caller.context.rules.actuator;
    let answer = actuator
        .answer(&ActuatorRequest {
            method: parts.method.as_str(),
            path,
            body: &body,
            peer: Some(caller.peer),
            host: host.to_str().unwrap_or_default(),
            origin: &caller.forwarded.client_origin(&parts.headers, host).render(),
            header: &|name| parts.headers.get(name).map(HeaderValue::as_bytes),
        })
        .await;
    let mut response = Response::new(Content::Full(answer.body.into()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if !answer.content_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    }
    if let Some(allow) = answer.allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
        headers.insert(header::ALLOW, allow);
    }
    Ok(response)
}

async fn read(caller: &Caller, body: Incoming) -> Result<Bytes, Problem> {
    let limit = Duration::from_millis(caller.context.rules.body_timeout_ms);
    let read = tokio::time::timeout(limit, Limited::new(body, BODY_LIMIT).collect()).await;
    match read {
        Ok(Ok(body)) => {
            caller.progress.body_complete();
            Ok(body.to_bytes())
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::payload_too_large()),
        Ok(Err(_)) => Err(Problem::bad_request("The body of the request is not valid.")),
        Err(_) => Err(problems::late_body()),
    }
}

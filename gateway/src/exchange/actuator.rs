//! The gateway's own pages below `/actuator`. No route ever leads to those of the services. Who may
//! see what is decided in [`web::actuator`], as for every service.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::json;
use web::{ActuatorEndpoint, ActuatorRequest, Json, Problem};

use crate::{client::Session, exchange::Content, settings::Settings};

const BODY_LIMIT: usize = 65_536;

/// Answers a request for a path below `/actuator`, which came as these parts for this host.
pub(crate) async fn answer(
    session: &Session,
    parts: &Parts,
    path: &str,
    body: Incoming,
    host: &HeaderValue,
) -> Result<Response<Content>, Problem> {
    let body = read(session, body).await?;
    let gateway = &session.worker.gateway;
    let answer = gateway
        .actuator
        .answer(&ActuatorRequest {
            method: parts.method.as_str(),
            path,
            body: &body,
            peer: Some(session.peer),
            host: host.to_str().unwrap_or_default(),
            origin: &session.forwarded.client_origin(&parts.headers, host).render(),
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

async fn read(session: &Session, body: Incoming) -> Result<Bytes, Problem> {
    let limit = Duration::from_millis(session.worker.gateway.limits.body_timeout_ms);
    let read = tokio::time::timeout(limit, Limited::new(body, BODY_LIMIT).collect()).await;
    match read {
        Ok(Ok(body)) => {
            session.body_complete();
            Ok(body.to_bytes())
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::payload_too_large()),
        Ok(Err(_)) => Err(Problem::bad_request("The body of the request is not valid.")),
        Err(_) => Err(Problem::new(408).detail("The body of the request did not arrive in time.")),
    }
}

/// `/actuator/gateway/routes`, in the shape of Spring Cloud Gateway's.
pub(crate) struct Routes(Vec<Json>);

impl Routes {
    pub(crate) fn of(settings: &Settings, addresses: &[Vec<String>]) -> Arc<Self> {
        let routes = settings.routes.iter().zip(addresses).enumerate();
        Arc::new(Self(
            routes
                .map(|(order, (route, addresses))| {
                    let mut predicate = format!("Paths: [{}], match trailing slash: true", route.path);
                    if !route.methods.is_empty() {
                        predicate += &format!(" && Methods: [{}]", route.methods.join(", "));
                    }
                    json!({
                        "route_id": route.id,
                        "predicate": predicate,
                        "uri": addresses.first(),
                        "uris": addresses,
                        "filters": [],
                        "order": order,
                        "metadata": {
                            "connect-timeout": route.connect_timeout_ms.unwrap_or(settings.upstream.connect_timeout_ms),
                            "response-timeout": route.response_timeout_ms.unwrap_or(settings.server.request_timeout_ms),
                            "body-limit": route.body_limit_bytes.unwrap_or(settings.server.body_limit_bytes),
                        },
                    })
                })
                .collect(),
        ))
    }
}

#[async_trait]
impl ActuatorEndpoint for Routes {
    async fn get(&self, rest: &str) -> Option<Json> {
        match rest {
            "" => Some(Json::Array(self.0.clone())),
            id => self.0.iter().find(|route| route["route_id"] == id).cloned(),
        }
    }
}

//! The actuator below actix-web.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web::{Bytes, Data, ServiceConfig, scope, to},
};

use http_common::{Actuator, ActuatorRequest};

use crate::{base::origin_of, route_table};

/// Registers `/actuator`. [`Server`](crate::Server) does it for every service.
pub(crate) fn configure(config: &mut ServiceConfig, actuator: Data<Actuator>) {
    for template in
        ["/actuator", "/actuator/health", "/actuator/info", "/actuator/prometheus", "/actuator/**"]
    {
        route_table::declare(template);
    }
    config.service(scope("/actuator").app_data(actuator).default_service(to(respond)));
}

async fn respond(request: HttpRequest, actuator: Data<Actuator>, body: Bytes) -> HttpResponse {
    let headers = request.headers();
    let host = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    };
    let answer = actuator
        .answer(&ActuatorRequest {
            method: request.method().as_str(),
            path: request.path(),
            body: &body,
            peer: request.peer_addr(),
            host,
            origin: &origin_of(&request),
            header: &|name| headers.get(name).map(HeaderValue::as_bytes),
        })
        .await;
    let mut response =
        HttpResponse::new(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    let headers = response.headers_mut();
    if !answer.content_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    }
    if let Some(allow) = answer.allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
        headers.insert(header::ALLOW, allow);
    }
    response.set_body(actix_web::body::BoxBody::new(answer.body))
}

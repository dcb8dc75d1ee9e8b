//! `GET /`: where a client that follows links begins. It names what the routes lead to, as each service does for its own.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header, request::Parts};
use serde_json::{Map, json};
use web::Problem;

use crate::{gateway::Gateway, proxy::ForwardedHeaders};

const METHODS: &str = "GET, HEAD, OPTIONS";

pub(crate) fn answer(
    gateway: &Gateway,
    parts: &Parts,
    host: &HeaderValue,
    forwarded: &ForwardedHeaders,
) -> Result<Response<Bytes>, Problem> {
    let mut response = match parts.method {
        Method::GET | Method::HEAD => {
            let origin = origin(&parts.headers, host, forwarded.is_trusted());
            Response::new(render(gateway, &origin))
        }
        Method::OPTIONS => Response::new(Bytes::new()),
        _ => return Err(Problem::method_not_allowed(METHODS)),
    };
    let headers = response.headers_mut();
    match parts.method {
        Method::OPTIONS => headers.insert(header::ALLOW, HeaderValue::from_static(METHODS)),
        _ => headers.insert(header::CONTENT_TYPE, content_type(&parts.headers)),
    };
    Ok(response)
}

fn render(gateway: &Gateway, origin: &str) -> Bytes {
    let mut links = Map::new();
    for route in &gateway.routes {
        if let Some(collection) = route.pattern.collection() {
            let href = format!("{origin}/{collection}{{?page,size,sort}}");
            links.insert(collection.to_owned(), json!({"href": href, "templated": true}));
        }
    }
    Bytes::from(json!({"_links": links}).to_string())
}

/// What the client calls this gateway: a proxy in front of it that is trusted knows better than `Host`.
fn origin(headers: &HeaderMap, host: &HeaderValue, trusted: bool) -> String {
    let said = |name: &str| headers.get(name).filter(|_| trusted).and_then(|value| value.to_str().ok());
    let host = said("x-forwarded-host").or(host.to_str().ok()).unwrap_or_default();
    format!("{}://{host}", said("x-forwarded-proto").unwrap_or("http"))
}

/// The document is the same; some clients want the plain label.
fn content_type(headers: &HeaderMap) -> HeaderValue {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    let plain = accept.contains("application/json") && !accept.contains("hal+json");
    HeaderValue::from_static(if plain { "application/json" } else { "application/hal+json" })
}

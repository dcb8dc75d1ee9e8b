//! `GET /`, unless a route leads there: the entry point for a client that follows links.

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use http_common::Problem;
use serde_json::{Map, json};

use super::forwarded;
use crate::routing::Route;

const ALLOW: &str = "GET, HEAD, OPTIONS";
const HAL_JSON: HeaderValue = HeaderValue::from_static("application/hal+json");

/// Links to the collections behind the routes. `headers` already have the `X-Forwarded-*` fields.
pub(super) fn answer(
    routes: &[Rc<Route>],
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Bytes>, Problem> {
    let mut response = match *method {
        Method::GET | Method::HEAD => {
            let mut response = Response::new(document(routes, &forwarded::origin(headers)).into());
            response.headers_mut().insert(header::CONTENT_TYPE, HAL_JSON);
            return Ok(response);
        }
        Method::OPTIONS => Response::new(Bytes::new()),
        _ => return Err(Problem::method_not_allowed(ALLOW)),
    };
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOW));
    Ok(response)
}

fn document(routes: &[Rc<Route>], origin: &str) -> String {
    let mut links = Map::new();
    for collection in routes.iter().filter_map(|route| collection(route)) {
        let href = format!("{origin}/{collection}{{?page,size,sort}}");
        links.entry(collection).or_insert_with(|| json!({"href": href, "templated": true}));
    }
    links.insert("self".to_owned(), json!({"href": format!("{origin}/")}));
    json!({"_links": links}).to_string()
}

/// `payments` of `/payments/**`; other routes lead to something that is no collection.
fn collection(route: &Route) -> Option<&str> {
    let name = route.definition.pattern.as_str().strip_prefix('/')?.strip_suffix("/**")?;
    (!name.is_empty() && !name.contains(['/', '*', '{'])).then_some(name)
}

//! Problem documents as answers of the gateway itself.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_common::{Problem, protective};

/// The connection ends after it, because the gateway cannot know where the next message begins.
pub(crate) fn malformed(detail: &'static str) -> Problem {
    Problem::bad_request(detail)
}

pub(crate) fn no_route() -> Problem {
    Problem::not_found().detail("No route leads there.")
}

pub(crate) fn refused_by_service() -> Problem {
    Problem::new(502).detail("The service could not be reached.")
}

pub(crate) fn broken_answer() -> Problem {
    Problem::new(502).detail("The service broke off before it answered; what it did is not known.")
}

pub(crate) fn no_room() -> Problem {
    Problem::unavailable("The gateway has as many connections as it may have.", 1)
}

pub(crate) fn too_many_uploads() -> Problem {
    let mut problem = Problem::new(429).detail("Too many requests of this client are still on their way.");
    problem.retry_after = Some(1);
    problem
}

pub(crate) fn late_body() -> Problem {
    Problem::new(408).detail("The body of the request did not arrive in time.")
}

pub(crate) fn no_connection_free() -> Problem {
    Problem::unavailable("The service has as much to do as it may have; nothing was sent to it.", 1)
}

pub(crate) fn connect_timeout() -> Problem {
    Problem::new(504).detail("The service could not be reached in time.")
}

pub(crate) fn response_timeout() -> Problem {
    Problem::new(504).detail("The service did not answer in time; what it did is not known.")
}

pub(crate) fn response(problem: &Problem) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(problem.to_json()));
    *response.status_mut() = status(problem);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(http_common::PROBLEM_JSON));
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = problem.allow.as_deref()
        && let Ok(allow) = HeaderValue::from_str(allow)
    {
        headers.insert(header::ALLOW, allow);
    }
    response
}

/// Adds the protective header fields to an answer of the gateway's own. Services add them to theirs.
pub(crate) fn protect(headers: &mut HeaderMap) {
    for (name, value) in protective::FIELDS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// The whole answer as bytes, for a request that hyper never saw.
pub(crate) fn raw(problem: &Problem) -> Vec<u8> {
    let mut response = response(problem);
    protect(response.headers_mut());
    let status = response.status();
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(b"HTTP/1.1 ");
    bytes.extend_from_slice(status.as_str().as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(status.canonical_reason().unwrap_or("Error").as_bytes());
    for (name, value) in response.headers() {
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
    }
    bytes.extend_from_slice(b"\r\nconnection: close\r\ncontent-length: ");
    bytes.extend_from_slice(response.body().len().to_string().as_bytes());
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes.extend_from_slice(response.body());
    bytes
}

pub(crate) fn status(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

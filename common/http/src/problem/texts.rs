//! The default text of each status.

use http::StatusCode;

pub(super) fn title(status: u16) -> &'static str {
    match status {
        402 => "Payment Required",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        _ => {
            StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
        }
    }
}

pub(super) fn detail(status: u16) -> &'static str {
    match status {
        400 => "The request could not be understood.",
        401 => "Sign in first: the request needs a valid token.",
        402 => "The payment was declined.",
        403 => "The request is not allowed.",
        404 => "There is nothing here.",
        405 => "This resource does not support the method.",
        406 => "This resource is rendered as application/hal+json or application/json.",
        408 => "The request did not arrive in time.",
        409 => "The request conflicts with the state of the resource.",
        412 => "The resource is not in the state that the request demands.",
        413 => "The request body is larger than the server accepts.",
        414 => "The request target is longer than the server accepts.",
        415 => "The request body has to be application/json or application/hal+json.",
        422 => "The request was understood and cannot be done.",
        429 => "Too many requests.",
        431 => "The request header is larger than the server accepts.",
        500 => "Something went wrong on our side.",
        501 => "The server does not know the method.",
        502 => "An upstream server did not answer properly.",
        503 => "The service cannot answer at the moment.",
        504 => "An upstream server did not answer in time.",
        _ => "The request failed.",
    }
}

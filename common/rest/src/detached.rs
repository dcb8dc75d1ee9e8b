//! actix keeps the heads of finished requests for the next ones, and each of their header values is a slice of the buffer
//! that the request was read into, body and card number included. A head with values of its own keeps no buffer.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderValue};

/// To be called before anybody else has a part of the request.
pub(crate) fn detach(request: &mut ServiceRequest) {
    let headers = request.headers_mut();
    let mut own = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter() {
        // A value that came in is one that can be made.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            own.append(name.clone(), value);
        }
    }
    *headers = own;
}

//! A body that fits is read before a connection to a service is taken.

use std::{future::poll_fn, task::Poll};

use http::Request;
use web::Problem;

use super::{RequestBody, body::broken_body};
use crate::{client::Session, problems};

/// Reads the body until it is whole, or as much as is read ahead is there.
///
/// # Errors
/// It did not come in time, is too large or malformed, or its client has too many under way.
pub(crate) async fn read_ahead(request: &mut Request<RequestBody>, session: &Session) -> Result<(), Problem> {
    let gateway = &session.worker.gateway;
    let mut polled = false;
    poll_fn(|cx| match request.body_mut().poll_ahead(gateway.limits.body_buffer_bytes, cx) {
        Poll::Ready(read) => Poll::Ready(read.map_err(|_| broken_body(session))),
        Poll::Pending if session.deadline.expired() => Poll::Ready(Err(problems::late_body())),
        Poll::Pending => {
            // The first time hyper has not been asked for the body before; a body that came with its head is there at the second.
            if polled && !request.body().is_counted() {
                let client = session.forwarded.client(request.headers(), &gateway.trusted_proxies);
                match gateway.uploads.begin(client) {
                    Some(upload) => request.body_mut().count_as(upload),
                    None => return Poll::Ready(Err(problems::too_many_uploads())),
                }
            }
            polled = true;
            Poll::Pending
        }
    })
    .await
}

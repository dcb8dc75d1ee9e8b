//! A body that fits is read before a connection to a service is taken.

use std::{future::poll_fn, task::Poll};

use http::Request;
use http_common::Problem;

use super::caller::Caller;
use crate::{
    problems,
    progress::BodyFailure,
    upstream::{BodyBroken, RequestBody},
};

/// Reads the body until it is whole, or as much as is read ahead is there.
///
/// # Errors
/// It did not come in time, is too large or malformed, or its client has too many under way.
pub(super) async fn read_ahead(request: &mut Request<RequestBody>, caller: &Caller) -> Result<(), Problem> {
    let (rules, progress) = (&caller.context.rules, &caller.progress);
    let mut polled = false;
    poll_fn(|cx| match request.body_mut().poll_ahead(rules.body_buffer_bytes, cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
        Poll::Ready(Err(BodyBroken)) => {
            let failure = progress.body_failure().unwrap_or(BodyFailure::Malformed);
            Poll::Ready(Err(failure.problem()))
        }
        Poll::Pending if progress.deadline.expired() => Poll::Ready(Err(problems::late_body())),
        Poll::Pending => {
            // hyper begins to read the body at the first poll. A body that came together with its head is there at the second.
            if polled && !request.body().is_counted() {
                let client = caller.forwarded.client(request.headers(), &rules.trusted_proxies);
                match rules.uploads.begin(client) {
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

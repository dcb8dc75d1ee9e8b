//! A service's answer as the client's.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};

use super::Connection;
use crate::{
    exchange::{Content, headers},
    routing::Route,
    worker::Worker,
};

/// An answer whose body has begun as well as it could without waiting.
pub(crate) struct Begun {
    response: Response<Incoming>,
    first: Bytes,
    over: bool,
}

/// Takes what is there of the body already, so that an answer that is broken from its first bytes on is none.
///
/// # Errors
/// It is broken.
pub(crate) fn begin(
    mut response: Response<Incoming>,
    connection: &mut Connection,
    cx: &mut Context<'_>,
) -> hyper::Result<Begun> {
    let incoming = response.body_mut();
    let mut first = Bytes::new();
    let mut over = incoming.is_end_stream();
    if !over {
        match connection.poll_frame(incoming, cx) {
            // Trailers are not passed on.
            Poll::Ready(Some(frame)) => match frame?.into_data() {
                Ok(data) => {
                    first = data;
                    over = incoming.is_end_stream();
                }
                Err(_) => over = true,
            },
            Poll::Ready(None) => over = true,
            Poll::Pending => {}
        }
    }
    Ok(Begun { response, first, over })
}

impl Begun {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// To the client; the rest of the body comes while it is written.
    pub(crate) fn pass_on(
        self,
        route: &Route,
        worker: &Worker,
        upstream: usize,
        connection: Box<Connection>,
    ) -> Response<Content> {
        let Self { response, first, over } = self;
        let (mut parts, incoming) = response.into_parts();
        headers::strip_answer(&mut parts.headers);
        headers::narrow_allow(&mut parts.headers, route);
        // Each hop speaks its own version.
        parts.version = Version::HTTP_11;
        let connection = match over {
            true => {
                worker.give_back(upstream, connection);
                None
            }
            false => Some(connection),
        };
        let content = Content::Streamed { first, incoming, connection, upstream };
        Response::from_parts(parts, content)
    }
}

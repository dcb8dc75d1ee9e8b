//! A service's answer, from its head to the end of its body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Version};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{pool::Lease, service_connection::ServiceConnection, size::longer_by};
use crate::fields;

/// An answer with as much of its body as had come with its head.
pub(crate) struct Begun {
    response: Response<Incoming>,
    first: Bytes,
    over: bool,
}

impl Begun {
    /// Reads what has come of the body. An answer that is broken in its first bytes can still be replaced by a problem document.
    ///
    /// # Errors
    /// It is broken.
    pub(crate) fn of(
        mut response: Response<Incoming>,
        connection: &mut ServiceConnection,
        cx: &mut Context<'_>,
    ) -> hyper::Result<Self> {
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
        Ok(Self { response, first, over })
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// For the client; the rest of the body comes while it is written.
    pub(crate) fn pass_on(self, lease: Lease) -> Response<Streamed> {
        let Self { response, first, over } = self;
        let (mut parts, incoming) = response.into_parts();
        fields::strip_answer(&mut parts.headers);
        // Each hop speaks its own version.
        parts.version = Version::HTTP_11;
        let lease = match over {
            true => {
                lease.give_back();
                None
            }
            false => Some(lease),
        };
        Response::from_parts(parts, Streamed { first, incoming, lease })
    }
}

/// The body of an answer. It gives its connection back at its end.
pub(crate) struct Streamed {
    /// Here already; empty afterwards.
    first: Bytes,
    incoming: Incoming,
    lease: Option<Lease>,
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { first, incoming, lease } = &mut *self;
        if !first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(first)))));
        }
        let Some(open) = lease else {
            return Poll::Ready(None);
        };
        let frame = ready!(open.poll_frame(incoming, cx));
        let over = match &frame {
            Some(Ok(frame)) => frame.is_trailers() || incoming.is_end_stream(),
            Some(Err(_)) => {
                *lease = None;
                false
            }
            None => true,
        };
        if over && let Some(lease) = lease.take() {
            lease.give_back();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        longer_by(self.first.len(), &self.incoming.size_hint())
    }
}

//! The body of an answer on its way to the client.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::observation::Observation;
use crate::upstream::Streamed;

/// What an answer consists of.
pub(super) enum Content {
    /// The gateway's own.
    Full(Bytes),
    /// A service's.
    Streamed(Streamed),
}

/// Holds the observation: the exchange lasts until the body is dropped.
pub(crate) struct ResponseBody {
    content: Content,
    observation: Observation,
}

impl ResponseBody {
    pub(super) fn new(content: Content, observation: Observation) -> Self {
        Self { content, observation }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { content, observation } = &mut *self;
        match content {
            Content::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Content::Streamed(streamed) => {
                let frame = ready!(Pin::new(streamed).poll_frame(cx));
                observation.caller().progress.moved();
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Full(bytes) => bytes.is_empty(),
            Content::Streamed(streamed) => streamed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Streamed(streamed) => streamed.size_hint(),
        }
    }
}

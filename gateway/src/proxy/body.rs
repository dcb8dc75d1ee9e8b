//! Bodies on their way through, piece by piece.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::exchange::Exchange;
use crate::{
    inbound::{BodyFailure, Session},
    upstream::Connection,
};

/// A client's body on its way to a service: counted, and not longer than the route allows.
pub(crate) struct RequestBody {
    /// None where there is nothing to come.
    incoming: Option<Incoming>,
    left: u64,
    response_timeout_ms: u64,
    session: Rc<Session>,
}

/// The body ends here; the session knows why.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request did not arrive")]
pub(crate) struct BodyBroken;

impl RequestBody {
    pub(super) fn new(
        incoming: Incoming,
        limit: u64,
        response_timeout_ms: u64,
        session: &Rc<Session>,
    ) -> Self {
        Self {
            incoming: (!incoming.is_end_stream()).then_some(incoming),
            left: limit,
            response_timeout_ms,
            session: session.clone(),
        }
    }

    pub(super) fn none(session: &Rc<Session>) -> Self {
        Self { incoming: None, left: 0, response_timeout_ms: 0, session: session.clone() }
    }

    /// From here on it is the service that takes its time.
    fn complete(&self) {
        self.session.body_complete();
        self.session.deadline.set(self.response_timeout_ms);
    }

    fn broken(&self, failure: BodyFailure) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        self.session.body_failed(failure);
        Poll::Ready(Some(Err(BodyBroken)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        match ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => match this.left.checked_sub(data.len() as u64) {
                    Some(left) => {
                        let over = incoming.is_end_stream();
                        this.left = left;
                        if over {
                            this.complete();
                        }
                        Poll::Ready(Some(Ok(Frame::data(data))))
                    }
                    None => this.broken(BodyFailure::TooLarge),
                },
                // Trailers concern this connection; no service of ours reads any.
                Err(_) => {
                    this.complete();
                    Poll::Ready(None)
                }
            },
            Some(Err(_)) => this.broken(BodyFailure::Malformed),
            None => {
                this.complete();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

/// What an answer consists of.
pub(crate) enum Content {
    Full(Bytes),
    /// Arrives on a connection to the service of this index.
    Streamed {
        incoming: Incoming,
        connection: Option<Box<Connection>>,
        upstream: usize,
    },
}

/// An answer's body on its way to the client. As long as it lives, so does the exchange.
pub(crate) struct ResponseBody {
    content: Content,
    exchange: Exchange,
}

impl ResponseBody {
    pub(super) fn new(content: Content, exchange: Exchange) -> Self {
        Self { content, exchange }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { content, exchange } = &mut *self;
        match content {
            Content::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Content::Streamed { incoming, connection, upstream } => {
                let Some(open) = connection else {
                    return Poll::Ready(None);
                };
                let frame = ready!(open.poll_frame(incoming, cx));
                exchange.session().progress();
                let over = match &frame {
                    Some(Ok(frame)) => frame.is_trailers() || incoming.is_end_stream(),
                    Some(Err(_)) => {
                        *connection = None;
                        false
                    }
                    None => true,
                };
                if over && let Some(connection) = connection.take() {
                    exchange.session().worker.give_back(*upstream, connection);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Full(bytes) => bytes.is_empty(),
            Content::Streamed { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Streamed { incoming, .. } => incoming.size_hint(),
        }
    }
}

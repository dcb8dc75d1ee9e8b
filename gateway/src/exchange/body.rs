//! Bodies on their way through, piece by piece.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use tokio::sync::OwnedSemaphorePermit;
use web::Problem;

use super::observation::Exchange;
use crate::{
    client::{BodyFailure, Session},
    problems::malformed,
    upstream::{Connection, Upload},
};

/// A client's body on its way to a service: counted, and not longer than the route allows.
pub(crate) struct RequestBody {
    /// None where there is nothing to come.
    incoming: Option<Incoming>,
    /// Read ahead; the first piece as it came.
    first: Bytes,
    /// In a box, for a body that came with its head has none of it.
    slow: Option<Box<Slow>>,
    left: u64,
    response_timeout_ms: u64,
    session: Rc<Session>,
}

/// Of a body that did not come with its head.
#[derive(Default)]
struct Slow {
    /// What follows the first piece, copied, so that many small pieces cost what few large ones do.
    more: BytesMut,
    upload: Option<Upload>,
    /// Among the requests to the service whose bodies are still to come.
    turn: Option<OwnedSemaphorePermit>,
}

/// The body ends here; the session knows why.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request did not arrive")]
pub(crate) struct BodyBroken;

impl RequestBody {
    pub(crate) fn new(
        incoming: Incoming,
        limit: u64,
        response_timeout_ms: u64,
        session: &Rc<Session>,
    ) -> Self {
        Self {
            incoming: (!incoming.is_end_stream()).then_some(incoming),
            left: limit,
            response_timeout_ms,
            ..Self::none(session)
        }
    }

    pub(crate) fn none(session: &Rc<Session>) -> Self {
        Self {
            incoming: None,
            first: Bytes::new(),
            slow: None,
            left: 0,
            response_timeout_ms: 0,
            session: session.clone(),
        }
    }

    /// Whether a part of it is still to come.
    pub(crate) fn is_due(&self) -> bool {
        self.incoming.is_some()
    }

    pub(crate) fn is_counted(&self) -> bool {
        self.slow.as_ref().is_some_and(|slow| slow.upload.is_some())
    }

    pub(crate) fn count_as(&mut self, upload: Upload) {
        self.slow().upload = Some(upload);
    }

    /// Until the body has come; instead of the turn at another address, if there was one.
    pub(crate) fn takes(&mut self, turn: OwnedSemaphorePermit) {
        self.slow().turn = Some(turn);
    }

    fn slow(&mut self) -> &mut Slow {
        self.slow.get_or_insert_default()
    }

    fn ahead(&self) -> usize {
        self.first.len() + self.slow.as_ref().map_or(0, |slow| slow.more.len())
    }

    /// Reads until the body is whole, or so much of it is there.
    pub(crate) fn poll_ahead(&mut self, most: usize, cx: &mut Context<'_>) -> Poll<Result<(), BodyBroken>> {
        while self.is_due() && self.ahead() < most {
            match ready!(self.poll_incoming(cx)) {
                Some(Ok(data)) if self.first.is_empty() => self.first = data,
                Some(Ok(data)) => self.slow().more.extend_from_slice(&data),
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {}
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyBroken>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let data = match ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
            Some(Ok(frame)) => frame.into_data().ok(),
            Some(Err(_)) => return self.broken(BodyFailure::Malformed),
            None => None,
        };
        // Trailers concern this connection; no service of ours reads any.
        let Some(data) = data else {
            self.complete();
            return Poll::Ready(None);
        };
        let Some(left) = self.left.checked_sub(data.len() as u64) else {
            return self.broken(BodyFailure::TooLarge);
        };
        self.left = left;
        if incoming.is_end_stream() {
            self.complete();
        }
        Poll::Ready(Some(Ok(data)))
    }

    /// From here on it is the service that takes its time.
    fn complete(&mut self) {
        self.incoming = None;
        if let Some(slow) = &mut self.slow {
            (slow.upload, slow.turn) = (None, None);
        }
        self.session.body_complete();
        self.session.deadline.set(self.response_timeout_ms);
    }

    fn broken(&self, failure: BodyFailure) -> Poll<Option<Result<Bytes, BodyBroken>>> {
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
        if !this.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.first)))));
        }
        if let Some(slow) = &mut this.slow
            && !slow.more.is_empty()
        {
            return Poll::Ready(Some(Ok(Frame::data(slow.more.split().freeze()))));
        }
        this.poll_incoming(cx).map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        self.ahead() == 0 && !self.is_due()
    }

    fn size_hint(&self) -> SizeHint {
        let due = self.incoming.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint);
        longer_by(self.ahead(), &due)
    }
}

fn longer_by(ahead: usize, rest: &SizeHint) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(rest.lower().saturating_add(ahead as u64));
    if let Some(upper) = rest.upper() {
        hint.set_upper(upper.saturating_add(ahead as u64));
    }
    hint
}

/// What the client is told of a body of its that was not read to its end.
pub(crate) fn broken_body(session: &Session) -> Problem {
    match session.body_failure() {
        Some(BodyFailure::TooLarge) => Problem::payload_too_large(),
        _ => malformed("The body of the request is not valid, or broke off."),
    }
}

/// What an answer consists of.
pub(crate) enum Content {
    Full(Bytes),
    /// Arrives on a connection to the service of this index.
    Streamed {
        /// Here already; empty afterwards.
        first: Bytes,
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
    pub(crate) fn new(content: Content, exchange: Exchange) -> Self {
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
            Content::Streamed { first, .. } if !first.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(first)))))
            }
            Content::Streamed { incoming, connection, upstream, .. } => {
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
            Content::Streamed { first, incoming, .. } => first.is_empty() && incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Streamed { first, incoming, .. } => longer_by(first.len(), &incoming.size_hint()),
        }
    }
}

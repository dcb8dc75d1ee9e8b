//! A client's body on its way to a service, piece by piece.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::{size::longer_by, uploads::Upload};
use crate::progress::{BodyFailure, Progress};

/// Refuses to become longer than the route allows.
pub(crate) struct RequestBody {
    /// None where there is nothing to come.
    incoming: Option<Incoming>,
    /// Read ahead; the first piece as it came.
    first: Bytes,
    /// Boxed, because a body that came together with its head needs none of this.
    slow: Option<Box<Slow>>,
    left: u64,
    response_timeout_ms: u64,
    progress: Rc<Progress>,
}

/// What only a body needs that did not come together with its head.
#[derive(Default)]
struct Slow {
    /// The pieces after the first one, copied together, so that many small pieces cost no more than few large ones.
    more: BytesMut,
    upload: Option<Upload>,
    /// The permit to use a connection to the service while the body is still coming.
    turn: Option<OwnedSemaphorePermit>,
}

/// The body ends here; the progress of the connection says why.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request did not arrive")]
pub(crate) struct BodyBroken;

impl RequestBody {
    pub(crate) fn new(
        incoming: Incoming,
        limit: u64,
        response_timeout_ms: u64,
        progress: &Rc<Progress>,
    ) -> Self {
        Self {
            incoming: (!incoming.is_end_stream()).then_some(incoming),
            left: limit,
            response_timeout_ms,
            ..Self::none(progress)
        }
    }

    pub(crate) fn none(progress: &Rc<Progress>) -> Self {
        Self {
            incoming: None,
            first: Bytes::new(),
            slow: None,
            left: 0,
            response_timeout_ms: 0,
            progress: progress.clone(),
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

    /// Holds the permit until the body has come. It replaces the permit of another address.
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

    /// The deadline is the service's from now on.
    fn complete(&mut self) {
        self.incoming = None;
        if let Some(slow) = &mut self.slow {
            (slow.upload, slow.turn) = (None, None);
        }
        self.progress.body_complete();
        self.progress.deadline.set(self.response_timeout_ms);
    }

    fn broken(&self, failure: BodyFailure) -> Poll<Option<Result<Bytes, BodyBroken>>> {
        self.progress.body_failed(failure);
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

//! The socket as hyper sees it: only whole heads that passed [`head::inspect`], and only the bytes that belong to them.
//!
//! The gate gives hyper one request at a time, so that hyper and the gate cannot disagree about where a request ends. The price is
//! one copy of the bytes.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use http_common::Problem;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::{io::AsyncWrite, net::TcpStream};
use tokio_util::io::poll_read_buf;

use super::{
    chunks::Tail,
    gone::{Gone, gone},
    head::{self, BodyLength},
};
use crate::{
    problems::malformed,
    progress::{Body, Progress, Stage},
};

const BUFFER: usize = 4096;
const BODY_BUFFER: usize = 16_384;

pub(super) struct Gate {
    stream: TcpStream,
    /// Read and not handed on.
    buffer: BytesMut,
    /// How much of the buffer is known to hold no whole head.
    inspected: usize,
    owed: Owed,
    /// Of chunks that hyper has.
    tail: Tail,
    /// hyper asked for the next head, and waits until the answer before it is written.
    held: bool,
    /// The client may be asked whether it is still there.
    http11: bool,
    half_closed: bool,
    gone: Option<Gone>,
    /// The problem document that the client gets when what came is no request.
    refused: Option<Box<Problem>>,
    /// What hyper writes is discarded.
    muted: bool,
    header_bytes: usize,
    progress: Rc<Progress>,
}

/// What hyper may still have of the current request.
enum Owed {
    Bytes(u64),
    /// Chunks: hyper finds their end, and the connection ends with them.
    Rest,
}

/// What came instead of silence.
pub(super) enum Next {
    Request,
    /// The gate has the answer.
    Refused,
    Closed,
}

impl Gate {
    pub(super) fn new(stream: TcpStream, progress: Rc<Progress>, header_bytes: usize) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            inspected: 0,
            owed: Owed::Bytes(0),
            tail: Tail::default(),
            held: false,
            http11: false,
            half_closed: false,
            gone: None,
            refused: None,
            muted: false,
            header_bytes,
            progress,
        }
    }

    /// Waits for a whole head.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if self.refused.is_some() {
            return Poll::Ready(Next::Refused);
        }
        loop {
            match self.look() {
                Some(next) => return Poll::Ready(next),
                None => match ready!(self.fill(cx)) {
                    Ok(0) | Err(_) => return Poll::Ready(Next::Closed),
                    Ok(_) => {}
                },
            }
        }
    }

    /// Judges what is in the buffer; `None` if that is no whole head yet.
    fn look(&mut self) -> Option<Next> {
        // A head that comes in drops is not read from its beginning with each of them.
        let seen = self.inspected.saturating_sub(3);
        let limit = self.header_bytes;
        let known_partial = self.inspected > 0
            && self.buffer.len() < limit
            && memchr::memmem::find(&self.buffer[seen..], b"\n\r\n").is_none();
        if self.buffer.is_empty() || known_partial {
            self.inspected = self.buffer.len();
            return None;
        }
        match head::inspect(&self.buffer, limit) {
            Ok(Some(head)) => {
                self.inspected = 0;
                self.http11 = head.http11;
                self.owed = match head.body {
                    BodyLength::Known(body) => Owed::Bytes(body.saturating_add(head.length as u64)),
                    BodyLength::Chunked => Owed::Rest,
                };
                self.tail = Tail::default();
                // After chunks nothing is read any more: what follows them could be meant to look like a request.
                if head.body == BodyLength::Chunked {
                    self.progress.set_last();
                }
                self.progress.head_complete(match head.body {
                    BodyLength::Known(0) => Body::Whole,
                    BodyLength::Known(_) | BodyLength::Chunked => Body::Due,
                });
                Some(Next::Request)
            }
            Ok(None) => {
                self.inspected = self.buffer.len();
                self.progress.head_began();
                None
            }
            Err(problem) => {
                self.refuse(problem);
                Some(Next::Refused)
            }
        }
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() == 0 {
            // A connection that is silent holds no buffer.
            ready!(self.stream.poll_read_ready(cx))?;
        }
        if self.buffer.capacity() - self.buffer.len() < BUFFER / 4 {
            self.buffer.reserve(match self.owed {
                Owed::Bytes(owed) if owed <= BUFFER as u64 => BUFFER,
                _ => BODY_BUFFER,
            });
        }
        poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.buffer)
    }

    /// While an answer is made, to notice a client that goes away. What else it sends waits.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() && !self.half_closed && ready!(self.fill(cx))? == 0 {
            self.half_close();
        }
        self.poll_gone(cx)
    }

    /// The client sends nothing more. It may well read on.
    fn half_close(&mut self) {
        self.half_closed = true;
        self.progress.set_last();
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let may_ask = self.half_closed
            && self.http11
            && matches!(self.progress.stage(), Stage::Exchange(_))
            && !self.progress.is_write_blocked();
        if may_ask && self.gone.is_none() {
            self.gone = gone(&self.stream).ok();
        }
        match &mut self.gone {
            Some(gone) if may_ask => {
                gone.as_mut().poll(cx).map(|()| Err(io::ErrorKind::ConnectionReset.into()))
            }
            _ => Poll::Pending,
        }
    }

    /// Whether chunks may end here. Where they do not, the time for the body runs out.
    fn may_be_complete(&self) -> bool {
        matches!(self.owed, Owed::Rest) && self.tail.may_be_the_end()
    }

    /// Gives the buffer back if nothing is in it.
    pub(super) fn relax(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// hyper answers a head that it does not understand by itself, with an empty 400. The problem document takes its place.
    fn takes_over(&mut self) -> bool {
        if matches!(self.progress.stage(), Stage::Given(_)) {
            self.refuse(malformed("The head of the request is not valid."));
            self.muted = true;
        }
        self.muted
    }

    /// The connection ends with this answer.
    fn refuse(&mut self, problem: Problem) {
        self.refused = Some(Box::new(problem));
        self.progress.refused();
    }

    pub(super) fn take_refused(&mut self) -> Option<Box<Problem>> {
        self.refused.take()
    }

    fn wrote(&mut self, result: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.progress.set_write_blocked(result.is_pending());
        if result.is_ready() && std::mem::take(&mut self.held) {
            cx.waker().wake_by_ref();
        }
        result
    }
}

impl Read for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if matches!(this.owed, Owed::Bytes(0)) {
            if matches!(this.progress.stage(), Stage::Given(_) | Stage::Exchange(_) | Stage::Answering) {
                return this.watch(cx);
            }
            if this.progress.is_write_blocked() {
                this.held = true;
                return Poll::Pending;
            }
            match ready!(this.poll_next(cx)) {
                Next::Request => {}
                // Whoever polls hyper sees it and takes the connection back.
                Next::Refused => return Poll::Pending,
                Next::Closed => return Poll::Ready(Ok(())),
            }
        }
        if this.buffer.is_empty() && !this.half_closed && ready!(this.fill(cx))? == 0 {
            if !this.may_be_complete() {
                return Poll::Ready(Ok(()));
            }
            this.half_close();
        }
        if this.buffer.is_empty() {
            return this.poll_gone(cx);
        }
        let owed = match this.owed {
            Owed::Bytes(owed) => usize::try_from(owed).unwrap_or(usize::MAX),
            Owed::Rest => usize::MAX,
        };
        let length = this.buffer.len().min(owed).min(cursor.remaining());
        let bytes = &this.buffer[..length];
        cursor.put_slice(bytes);
        match &mut this.owed {
            Owed::Bytes(owed) => *owed -= length as u64,
            Owed::Rest => this.tail.push(bytes),
        }
        this.buffer.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl Write for Gate {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.takes_over() {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.gone = None;
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.takes_over() {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        self.gone = None;
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The end of hyper is not the end of the connection.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! One connection to a service, polled by the task whose request it carries.
//!
//! hyper expects a task of its own for each connection. Here the client's task polls the connection: no message crosses tasks,
//! and dropping the client's task cancels the call.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::{Body as _, Frame, Incoming},
    client::conn::{
        TrySendError,
        http1::{self, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};

use super::{nudge::Nudge, request_body::RequestBody};
use crate::deadlines::Deadline;

/// The most rounds in one poll, so that a fast answer does not keep other connections of the worker waiting.
const ROUNDS: usize = 32;

pub(crate) struct ServiceConnection {
    sender: SendRequest<RequestBody>,
    /// None once it has ended. When it is dropped, hyper returns a request that it had not begun to send.
    http: Option<http1::Connection<TokioIo<TcpStream>, RequestBody>>,
    nudge: Arc<Nudge>,
    waker: Waker,
    /// On the worker's clock.
    pub(super) idle_since: u64,
    /// While it is in use.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

type Sent = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// Why there is no answer.
pub(crate) enum SendError {
    /// Not a byte was written.
    NotSent(Box<Request<RequestBody>>, hyper::Error),
    /// Perhaps the service has the request.
    Broken(hyper::Error),
    /// The time was over; perhaps the service has the request.
    Deadline,
}

impl ServiceConnection {
    pub(super) async fn open(stream: TcpStream) -> hyper::Result<Box<Self>> {
        let (sender, http) = http1::handshake(TokioIo::new(stream)).await?;
        let nudge = Arc::new(Nudge::default());
        Ok(Box::new(Self {
            sender,
            http: Some(http),
            waker: Waker::from(nudge.clone()),
            nudge,
            idle_since: 0,
            permit: None,
        }))
    }

    /// Queues the request. Nothing is sent before the answer is polled.
    pub(crate) fn start(&mut self, request: Request<RequestBody>) -> impl Future<Output = Sent> + use<> {
        self.sender.try_send_request(request)
    }

    /// Sends what was queued, and waits for the head of the answer.
    pub(crate) fn poll_answer(
        &mut self,
        mut answer: Pin<&mut impl Future<Output = Sent>>,
        deadline: &Deadline,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, SendError>> {
        self.nudge.enter(cx.waker());
        let mut inner = Context::from_waker(&self.waker);
        let mut result = Poll::Pending;
        for _ in 0..ROUNDS {
            drive(&mut self.http, &mut inner);
            result = answer.as_mut().poll(&mut inner);
            if result.is_ready() || !self.nudge.again() {
                break;
            }
        }
        self.nudge.leave(cx.waker());
        match result {
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
            Poll::Ready(Err(mut error)) => Poll::Ready(Err(match error.take_message() {
                Some(request) => SendError::NotSent(Box::new(request), error.into_error()),
                None => SendError::Broken(error.into_error()),
            })),
            Poll::Pending if deadline.expired() => Poll::Ready(Err(SendError::Deadline)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// The next piece of the answer's body.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.nudge.enter(cx.waker());
        let mut inner = Context::from_waker(&self.waker);
        let mut result = Poll::Pending;
        for _ in 0..ROUNDS {
            result = Pin::new(&mut *body).poll_frame(&mut inner);
            if result.is_ready() {
                break;
            }
            self.nudge.again();
            drive(&mut self.http, &mut inner);
            if !self.nudge.again() {
                break;
            }
        }
        self.nudge.leave(cx.waker());
        result
    }

    /// Whether the answer is complete and another request may follow it.
    pub(super) fn is_reusable(&mut self) -> bool {
        if !self.sender.is_ready() {
            self.rest();
        }
        self.http.is_some() && self.sender.is_ready()
    }

    /// Notices whether the service has closed the connection. Afterwards the connection wakes no task.
    pub(super) fn rest(&mut self) {
        drive(&mut self.http, &mut Context::from_waker(Waker::noop()));
    }
}

fn drive(http: &mut Option<http1::Connection<TokioIo<TcpStream>, RequestBody>>, cx: &mut Context<'_>) {
    // An error reaches whoever waits for the answer or the body.
    if http.as_mut().is_some_and(|http| Pin::new(http).poll(cx).is_ready()) {
        *http = None;
    }
}

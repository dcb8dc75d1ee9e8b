//! A client's connection from accept to close. One task does everything for it, the calls to the services included.
//!
//! hyper is only there while there is something to do: an idle connection keeps its socket and nothing else, so ten
//! thousand of them cost little.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
};

use hyper::service::service_fn;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use web::Problem;

use super::{
    gate::{Gate, Next, poll_discard},
    session::{Session, Stage},
};
use crate::{exchange, problems, worker::Worker};

/// How long, and how much, a connection that ends is still read from.
const LINGER_MS: u64 = 1000;
const LINGER_BYTES: usize = 1 << 20;

/// Why hyper was taken off the connection.
enum End {
    /// Nothing happens at the moment.
    Quiet,
    /// The last answer is written.
    Done,
    /// What came is no request.
    Refused(Problem),
    /// The client went away, or stalls.
    Aborted,
}

/// Serves the connection to its end.
pub(crate) async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
    let task = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let session = Session::new(&worker, peer, task);
    let mut gate = Gate::new(stream, session.clone());
    loop {
        match wait(&mut gate, &session).await {
            None => {}
            Some(End::Refused(problem)) => return Box::pin(refuse(gate, &session, &problem)).await,
            Some(_) => return,
        }
        // In a box, so that an idle connection's task does not reserve the room for it.
        let (returned, end) = Box::pin(converse(gate, &session)).await;
        gate = returned;
        match end {
            End::Quiet => {
                gate.relax();
                session.relaxed();
            }
            End::Refused(problem) => return Box::pin(refuse(gate, &session, &problem)).await,
            End::Done => return linger(gate.into_stream(), &session).await,
            End::Aborted => return,
        }
    }
}

/// Without hyper: until there is a request, or a reason to end.
async fn wait(gate: &mut Gate, session: &Session) -> Option<End> {
    poll_fn(|cx| match gate.poll_next(cx) {
        Poll::Ready(Next::Request) => Poll::Ready(None),
        Poll::Ready(Next::Closed) => Poll::Ready(Some(End::Aborted)),
        Poll::Ready(Next::Refused) => Poll::Ready(Some(refused(session))),
        Poll::Pending => match silent(session) {
            None => Poll::Pending,
            // There is nothing to give back any more but the connection.
            Some(End::Quiet) => Poll::Ready(Some(End::Aborted)),
            end => Poll::Ready(end),
        },
    })
    .await
}

/// With hyper: until there is silence, or the end.
async fn converse(gate: Gate, session: &Rc<Session>) -> (Gate, End) {
    let service = service_fn(|request| {
        session.handled();
        exchange::handle(session, request)
    });
    let mut http = session.worker.http.serve_connection(gate, service);
    let end = poll_fn(|cx| {
        let finished = Pin::new(&mut http).poll(cx);
        if session.is_refused() {
            // First whatever was answered before.
            return match finished.is_pending() && session.is_write_blocked() && silent(session).is_none() {
                true => Poll::Pending,
                false => Poll::Ready(refused(session)),
            };
        }
        match finished {
            Poll::Ready(Ok(())) => Poll::Ready(End::Done),
            Poll::Ready(Err(error)) => {
                tracing::debug!(peer = %session.peer, %error, "client connection broke");
                Poll::Ready(match session.stage() {
                    // The answer is out; only the rest of the request was not worth reading.
                    Stage::Idle => End::Done,
                    _ => End::Aborted,
                })
            }
            Poll::Pending => silent(session).map_or(Poll::Pending, Poll::Ready),
        }
    })
    .await;
    (http.into_parts().io, end)
}

/// What follows from the deadline, or from a worker that is closing.
fn silent(session: &Session) -> Option<End> {
    match session.stage() {
        Stage::Idle if session.is_write_blocked() => session.deadline.expired().then_some(End::Aborted),
        Stage::Idle if session.is_dismissed() => Some(End::Aborted),
        Stage::Head if session.is_dismissed() => Some(End::Refused(problems::no_room())),
        Stage::Idle if session.worker.is_closing() => {
            (!session.has_grace() || session.deadline.expired()).then_some(End::Quiet)
        }
        Stage::Idle => session.deadline.expired().then_some(End::Quiet),
        Stage::Head => session.deadline.expired().then(|| {
            End::Refused(Problem::new(408).detail("The head of the request did not arrive in time."))
        }),
        // Who makes the answer looks at the deadline.
        Stage::Exchange => None,
        Stage::Answering => session.deadline.expired().then_some(End::Aborted),
    }
}

fn refused(session: &Session) -> End {
    session.take_refused().map_or(End::Aborted, End::Refused)
}

async fn refuse(gate: Gate, session: &Session, problem: &Problem) {
    session.worker.refused(problem.status);
    let mut stream = gate.into_stream();
    session.deadline.set(LINGER_MS);
    let answer = problems::raw(problem);
    let written = {
        let mut write = pin!(stream.write_all(&answer));
        poll_fn(|cx| match write.as_mut().poll(cx) {
            Poll::Pending if session.deadline.expired() => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => Poll::Ready(result.is_ok()),
        })
        .await
    };
    if written {
        linger(stream, session).await;
    }
}

/// Says that nothing more comes, and lets the client read to the end.
async fn linger(mut stream: TcpStream, session: &Session) {
    if stream.shutdown().await.is_err() {
        return;
    }
    session.deadline.set(LINGER_MS);
    let mut most = LINGER_BYTES;
    poll_fn(|cx| match poll_discard(&mut stream, cx, &mut most) {
        Poll::Pending if !session.deadline.expired() => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
}

/// Answers 503 to a connection that is one too many, at no further cost.
pub(crate) fn turn_away(stream: &TcpStream) {
    let problem = problems::no_room();
    // Best effort: a client that does not read it sees a closed connection, which says as much.
    let _ = stream.try_read(&mut [0; 4096]);
    let _ = stream.try_write(&problems::raw(&problem));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F>(_: impl Fn(Rc<Worker>, TcpStream, SocketAddr) -> F) -> usize {
        size_of::<F>()
    }

    /// Ten thousand of them are open at a time.
    #[test]
    fn an_idle_connection_is_small() {
        let size = size_of_future(serve) + size_of::<Session>();
        assert!(size <= 1024, "{size} bytes");
    }
}

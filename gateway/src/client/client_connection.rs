//! A client's connection from accept to close. One task does everything for it, the calls to the services included.
//!
//! hyper and its buffers exist only while there is something to do. An idle connection keeps its socket and a small task.

use std::{
    cell::Cell,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
};

use http_common::Problem;
use hyper::{server::conn::http1, service::service_fn};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{
    gate::{Gate, Next},
    linger::{LINGER_MS, linger},
    places::{Place, Places},
};
use crate::{
    deadlines::Deadlines,
    exchange::{self, Caller, Context},
    problems,
    progress::{Progress, Stage, Times},
};

/// What the connections of a worker have in common.
pub(crate) struct Clients {
    pub(super) places: Rc<Places>,
    pub(super) context: Rc<Context>,
    deadlines: Rc<Deadlines>,
    times: Times,
    header_bytes: usize,
    http: http1::Builder,
    closing: Cell<bool>,
}

impl Clients {
    pub(crate) fn new(
        places: Rc<Places>,
        context: Rc<Context>,
        deadlines: Rc<Deadlines>,
        times: Times,
        header_bytes: usize,
    ) -> Rc<Self> {
        let mut http = http1::Builder::new();
        // The gate keeps time and counts bytes.
        http.header_read_timeout(None);
        Rc::new(Self { places, context, deadlines, times, header_bytes, http, closing: Cell::new(false) })
    }

    /// From now on connections end as soon as they have nothing to do.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.deadlines.wake_all();
    }
}

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
pub(super) async fn serve(clients: Rc<Clients>, mut place: Place, stream: TcpStream, peer: SocketAddr) {
    let task = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let progress = Progress::new(&clients.deadlines, clients.times, task);
    place.is_for(&progress);
    let caller = Caller::new(clients.context.clone(), progress, peer, stream.local_addr().ok());
    let mut gate = Gate::new(stream, caller.progress.clone(), clients.header_bytes);
    loop {
        match wait(&mut gate, &clients, &caller.progress).await {
            None => {}
            Some(End::Refused(problem)) => return Box::pin(refuse(gate, &caller, &problem)).await,
            Some(_) => return,
        }
        // Boxed, so that the task of an idle connection stays small.
        let (returned, end) = Box::pin(converse(gate, &clients, &caller)).await;
        gate = returned;
        match end {
            End::Quiet => {
                gate.relax();
                caller.progress.relaxed();
            }
            End::Refused(problem) => return Box::pin(refuse(gate, &caller, &problem)).await,
            End::Done => return linger(gate.into_stream(), &caller.progress).await,
            End::Aborted => return,
        }
    }
}

/// Without hyper: until there is a request, or a reason to end.
async fn wait(gate: &mut Gate, clients: &Clients, progress: &Progress) -> Option<End> {
    poll_fn(|cx| match gate.poll_next(cx) {
        Poll::Ready(Next::Request) => Poll::Ready(None),
        Poll::Ready(Next::Closed) => Poll::Ready(Some(End::Aborted)),
        Poll::Ready(Next::Refused) => Poll::Ready(Some(refused(gate))),
        Poll::Pending => match silent(clients, progress) {
            None => Poll::Pending,
            // There is nothing to give back any more but the connection.
            Some(End::Quiet) => Poll::Ready(Some(End::Aborted)),
            end => Poll::Ready(end),
        },
    })
    .await
}

/// With hyper: until there is silence, or the end.
async fn converse(gate: Gate, clients: &Clients, caller: &Rc<Caller>) -> (Gate, End) {
    let progress = &caller.progress;
    let service = service_fn(|request| exchange::handle(caller, request));
    let mut http = clients.http.serve_connection(gate, service);
    let end = poll_fn(|cx| {
        let finished = Pin::new(&mut http).poll(cx);
        if progress.stage() == Stage::Refused {
            // First whatever was answered before.
            let answers = finished.is_pending() && progress.is_write_blocked();
            return match answers && !progress.deadline.expired() {
                true => Poll::Pending,
                false => Poll::Ready(None),
            };
        }
        match finished {
            Poll::Ready(Ok(())) => Poll::Ready(Some(End::Done)),
            Poll::Ready(Err(error)) => {
                tracing::debug!(peer = %caller.peer, %error, "client connection broke");
                Poll::Ready(Some(match progress.stage() {
                    // The answer is out; only the rest of the request was not worth reading.
                    Stage::Idle => End::Done,
                    _ => End::Aborted,
                }))
            }
            Poll::Pending => match silent(clients, progress) {
                None => Poll::Pending,
                end => Poll::Ready(end),
            },
        }
    })
    .await;
    let mut gate = http.into_parts().io;
    let end = end.unwrap_or_else(|| refused(&mut gate));
    (gate, end)
}

/// What follows from the deadline, or from a worker that is closing.
fn silent(clients: &Clients, progress: &Progress) -> Option<End> {
    let expired = || progress.deadline.expired();
    match progress.stage() {
        Stage::New | Stage::Grace | Stage::Idle if progress.is_write_blocked() => {
            expired().then_some(End::Aborted)
        }
        Stage::New | Stage::Grace | Stage::Idle if progress.is_dismissed() => Some(End::Aborted),
        Stage::Head if progress.is_dismissed() => Some(End::Refused(problems::no_room())),
        Stage::New | Stage::Grace | Stage::Idle if clients.closing.get() => {
            (!progress.has_grace() || expired()).then_some(End::Quiet)
        }
        Stage::New | Stage::Grace | Stage::Idle => expired().then_some(End::Quiet),
        Stage::Head => expired().then(|| {
            End::Refused(Problem::new(408).detail("The head of the request did not arrive in time."))
        }),
        // Who makes the answer looks at the deadline.
        Stage::Given(_) | Stage::Exchange(_) | Stage::Refused => None,
        Stage::Answering => expired().then_some(End::Aborted),
    }
}

fn refused(gate: &mut Gate) -> End {
    gate.take_refused().map_or(End::Aborted, |problem| End::Refused(*problem))
}

async fn refuse(gate: Gate, caller: &Caller, problem: &Problem) {
    caller.context.refused(problem.status);
    let progress = &caller.progress;
    let mut stream = gate.into_stream();
    progress.deadline.set(LINGER_MS);
    let answer = problems::raw(problem);
    let written = {
        let mut write = pin!(stream.write_all(&answer));
        poll_fn(|cx| match write.as_mut().poll(cx) {
            Poll::Pending if progress.deadline.expired() => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => Poll::Ready(result.is_ok()),
        })
        .await
    };
    if written {
        linger(stream, progress).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F>(_: impl Fn(Rc<Clients>, Place, TcpStream, SocketAddr) -> F) -> usize {
        size_of::<F>()
    }

    /// Ten thousand of them are open at a time.
    #[test]
    fn an_idle_connection_is_small() {
        let size = size_of_future(serve) + size_of::<Caller>() + size_of::<Progress>();
        assert!(size <= 1024, "{size} bytes");
    }
}

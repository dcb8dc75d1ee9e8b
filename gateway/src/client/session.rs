//! What a client's connection, its request and its answer have to tell each other.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    task::Waker,
};

use web::Problem;

use super::head::BodyLength;
use crate::{deadlines::Deadline, exchange::ForwardedHeaders, worker::Worker};

/// After so long without a request a connection gives its buffers back.
const RELAX_MS: u64 = 1000;
/// What a connection without a request gets when the worker closes.
const GRACE_MS: u64 = 500;

/// What the connection is waiting for, and so what its deadline means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A request.
    Idle,
    /// The rest of a head.
    Head,
    /// The answer's head; whoever makes it watches the deadline.
    Exchange,
    /// The rest of the answer.
    Answering,
}

/// Whether a request was seen on the connection.
#[derive(Clone, Copy)]
enum Newness {
    New,
    /// Not yet, and there is not much time left.
    Grace,
    Used,
}

/// Why the body of a request did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFailure {
    TooLarge,
    Malformed,
}

/// Shared, on one thread, by everything that works for one client connection.
pub(crate) struct Session {
    pub(crate) worker: Rc<Worker>,
    pub(crate) peer: SocketAddr,
    pub(crate) deadline: Deadline,
    pub(crate) forwarded: ForwardedHeaders,
    stage: Cell<Stage>,
    /// Set from the moment a head was handed to hyper until hyper called for an answer.
    unhandled: Cell<bool>,
    refused: RefCell<Option<Problem>>,
    write_blocked: Cell<bool>,
    last: Cell<bool>,
    body_failure: Cell<Option<BodyFailure>>,
    body_due: Cell<bool>,
    newness: Cell<Newness>,
    /// Told to make room, and not counted any more.
    dismissed: Cell<bool>,
    /// Where the client connected to, known for requests that do not say it.
    local: Cell<Option<SocketAddr>>,
}

impl Session {
    pub(crate) fn new(worker: &Rc<Worker>, peer: SocketAddr, task: Waker) -> Rc<Self> {
        let session = Self {
            worker: worker.clone(),
            peer,
            deadline: worker.deadlines.register(task),
            forwarded: ForwardedHeaders::of(peer, &worker.gateway.trusted_proxies),
            stage: Cell::new(Stage::Idle),
            unhandled: Cell::new(false),
            refused: RefCell::new(None),
            write_blocked: Cell::new(false),
            last: Cell::new(false),
            body_failure: Cell::new(None),
            body_due: Cell::new(false),
            newness: Cell::new(Newness::New),
            dismissed: Cell::new(false),
            local: Cell::new(None),
        };
        session.deadline.rest(worker.gateway.limits.keep_alive_ms);
        Rc::new(session)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// The first bytes of a head are there.
    pub(super) fn head_began(&self) {
        if self.stage.get() == Stage::Idle {
            self.stage.set(Stage::Head);
            self.deadline.set(self.worker.gateway.limits.header_timeout_ms);
        }
    }

    /// A whole head was found good.
    pub(super) fn head_complete(&self, body: &BodyLength) {
        self.stage.set(Stage::Exchange);
        if !self.deadline.work() {
            self.dismissed.set(true);
            self.last.set(true);
        }
        self.unhandled.set(true);
        self.newness.set(Newness::Used);
        self.body_failure.set(None);
        self.body_due.set(*body != BodyLength::Known(0));
        // After chunks nothing is read any more: what follows them could be meant to look like a request.
        if *body == BodyLength::Chunked {
            self.last.set(true);
        }
    }

    /// hyper understood the head as well and asks for an answer.
    pub(crate) fn handled(&self) {
        self.unhandled.set(false);
    }

    pub(super) fn is_unhandled(&self) -> bool {
        self.unhandled.get()
    }

    /// The head of the answer is there.
    pub(crate) fn answering(&self) {
        self.stage.set(Stage::Answering);
        self.progress();
    }

    /// Bytes of the answer moved.
    pub(crate) fn progress(&self) {
        self.deadline.set(self.worker.gateway.limits.stall_timeout_ms);
    }

    /// hyper has the whole answer. The socket may still refuse a part of it.
    pub(crate) fn answered(&self) {
        self.stage.set(Stage::Idle);
        match self.write_blocked.get() {
            true => self.progress(),
            false => self.rest(),
        }
    }

    fn rest(&self) {
        match self.dismissed.get() {
            // It has made room already.
            true => self.deadline.set(RELAX_MS),
            false => self.deadline.rest(RELAX_MS),
        }
    }

    /// No buffers are held any more: what is left of the time that a client may be silent.
    pub(super) fn relaxed(&self) {
        let keep_alive = self.worker.gateway.limits.keep_alive_ms;
        self.deadline.set(keep_alive.saturating_sub(RELAX_MS));
    }

    /// What came is no request: the connection ends with this answer.
    pub(super) fn refuse(&self, problem: Problem) {
        *self.refused.borrow_mut() = Some(problem);
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused.borrow().is_some()
    }

    pub(super) fn take_refused(&self) -> Option<Problem> {
        self.refused.borrow_mut().take()
    }

    /// Whether the socket took less than it was given. While it does, the client may be slow but must not stall, and
    /// each piece that the socket takes is progress. The connection is idle from the last piece on.
    pub(super) fn set_write_blocked(&self, blocked: bool) {
        let was_blocked = self.write_blocked.replace(blocked);
        if blocked == was_blocked {
            return;
        }
        match self.stage.get() {
            Stage::Answering => self.progress(),
            Stage::Idle if blocked => {
                // Whoever still reads an answer does not rest.
                if !self.deadline.work() {
                    self.dismissed.set(true);
                    self.last.set(true);
                }
                self.progress();
            }
            Stage::Idle => self.rest(),
            Stage::Head | Stage::Exchange => {}
        }
    }

    pub(super) fn is_write_blocked(&self) -> bool {
        self.write_blocked.get()
    }

    /// Whether the answer has to say `Connection: close`.
    pub(crate) fn is_last(&self) -> bool {
        self.last.get() || self.body_due.get() || self.worker.is_draining()
    }

    /// The client sends nothing more.
    pub(super) fn half_closed(&self) {
        self.last.set(true);
    }

    /// Another connection needs the place of this one.
    pub(super) fn is_dismissed(&self) -> bool {
        self.dismissed.get() || self.deadline.is_dismissed()
    }

    pub(super) fn set_local(&self, local: SocketAddr) {
        self.local.set(Some(local));
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.local.get()
    }

    pub(crate) fn body_failed(&self, failure: BodyFailure) {
        self.body_failure.set(Some(failure));
        self.last.set(true);
    }

    pub(crate) fn body_complete(&self) {
        self.body_due.set(false);
    }

    /// Whether a part of the request is still to come.
    pub(crate) fn is_body_due(&self) -> bool {
        self.body_due.get()
    }

    /// While the worker closes: whoever has just connected is about to send a request and gets a moment for it.
    pub(super) fn has_grace(&self) -> bool {
        match self.newness.get() {
            Newness::Used => return false,
            Newness::New => {
                self.newness.set(Newness::Grace);
                self.deadline.set(GRACE_MS);
            }
            Newness::Grace => {}
        }
        true
    }

    pub(crate) fn body_failure(&self) -> Option<BodyFailure> {
        self.body_failure.get()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.worker.connection_closed(self.is_dismissed());
    }
}

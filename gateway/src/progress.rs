//! What a client's connection is waiting for, and so what its deadline means.

use std::{cell::Cell, rc::Rc, task::Waker};

use http_common::Problem;

use crate::{
    deadlines::{Deadline, Deadlines},
    problems,
};

/// After so long without a request a connection gives its buffers back.
const RELAX_MS: u64 = 1000;
/// How long a new connection may take to send its first request when the worker closes.
const GRACE_MS: u64 = 500;

/// The time limits for a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) header_ms: u64,
    pub(crate) stall_ms: u64,
    pub(crate) keep_alive_ms: u64,
}

/// What the connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its first request.
    New,
    /// Its first request, with little time left, because the worker closes.
    Grace,
    /// Another request.
    Idle,
    /// The rest of a head.
    Head,
    /// hyper, to accept the head that the gate has passed on.
    Given(Body),
    /// The answer's head. The exchange watches the deadline.
    Exchange(Body),
    /// The rest of the answer.
    Answering,
    /// Nothing: what came was no request, and the connection ends after the answer to it.
    Refused,
}

/// How much of a request's body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Whole,
    /// A part of it is still to come.
    Due,
    Failed(BodyFailure),
}

/// Why the body of a request did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFailure {
    TooLarge,
    Malformed,
}

impl BodyFailure {
    /// What the client is told.
    pub(crate) fn problem(self) -> Problem {
        match self {
            Self::TooLarge => Problem::payload_too_large(),
            Self::Malformed => problems::malformed("The body of the request is not valid, or broke off."),
        }
    }
}

/// The state of one client connection. The gate and the exchange move it on; the task that polls the connection reads it.
pub(crate) struct Progress {
    pub(crate) deadline: Deadline,
    times: Times,
    stage: Cell<Stage>,
    write_blocked: Cell<bool>,
    /// No other request is read from the connection.
    last: Cell<bool>,
}

impl Progress {
    /// `task` wakes the task that polls the connection.
    pub(crate) fn new(deadlines: &Rc<Deadlines>, times: Times, task: Waker) -> Rc<Self> {
        let progress = Self {
            deadline: deadlines.register(task),
            times,
            stage: Cell::new(Stage::New),
            write_blocked: Cell::new(false),
            last: Cell::new(false),
        };
        progress.deadline.rest(times.keep_alive_ms);
        Rc::new(progress)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage.get()
    }

    fn is_between_requests(&self) -> bool {
        matches!(self.stage.get(), Stage::New | Stage::Grace | Stage::Idle)
    }

    /// The first bytes of a head are there.
    pub(crate) fn head_began(&self) {
        if self.is_between_requests() {
            self.stage.set(Stage::Head);
            self.deadline.set(self.times.header_ms);
        }
    }

    /// A whole head was found good, and is given to hyper.
    pub(crate) fn head_complete(&self, body: Body) {
        self.stage.set(Stage::Given(body));
        self.deadline.work();
    }

    /// hyper understood the head and asks for an answer.
    pub(crate) fn head_understood(&self) {
        if let Stage::Given(body) = self.stage.get() {
            self.stage.set(Stage::Exchange(body));
        }
    }

    pub(crate) fn refused(&self) {
        self.stage.set(Stage::Refused);
    }

    /// Whether a part of the request is still to come.
    pub(crate) fn is_body_due(&self) -> bool {
        self.stage.get() == Stage::Exchange(Body::Due)
    }

    pub(crate) fn body_failure(&self) -> Option<BodyFailure> {
        match self.stage.get() {
            Stage::Exchange(Body::Failed(failure)) => Some(failure),
            _ => None,
        }
    }

    pub(crate) fn body_complete(&self) {
        self.body_is(Body::Whole);
    }

    pub(crate) fn body_failed(&self, failure: BodyFailure) {
        self.body_is(Body::Failed(failure));
    }

    /// Once the answer has begun, the body does not matter any more.
    fn body_is(&self, body: Body) {
        if matches!(self.stage.get(), Stage::Exchange(_)) {
            self.stage.set(Stage::Exchange(body));
        }
    }

    /// The head of the answer is there.
    pub(crate) fn answering(&self) {
        self.stage.set(Stage::Answering);
        self.moved();
    }

    /// Bytes of the answer moved.
    pub(crate) fn moved(&self) {
        self.deadline.set(self.times.stall_ms);
    }

    /// hyper has the whole answer. The socket may still refuse a part of it.
    pub(crate) fn answered(&self) {
        self.stage.set(Stage::Idle);
        match self.write_blocked.get() {
            true => self.moved(),
            false => self.deadline.rest(RELAX_MS),
        }
    }

    /// The connection has given its buffers back. Sets the deadline to the rest of the time that a client may be silent.
    pub(crate) fn relaxed(&self) {
        self.deadline.set(self.times.keep_alive_ms.saturating_sub(RELAX_MS));
    }

    /// The socket took less than it was given, or takes bytes again. While it is blocked, the deadline is that of a client that
    /// stalls, and each piece that the socket takes renews it. After the last piece the connection is idle.
    pub(crate) fn set_write_blocked(&self, blocked: bool) {
        let was_blocked = self.write_blocked.replace(blocked);
        if blocked == was_blocked {
            return;
        }
        match self.stage.get() {
            Stage::Answering => self.moved(),
            Stage::New | Stage::Grace | Stage::Idle | Stage::Refused if blocked => {
                // A client that still reads an answer is not idle.
                self.deadline.work();
                self.moved();
            }
            Stage::New | Stage::Grace | Stage::Idle => self.deadline.rest(RELAX_MS),
            Stage::Refused | Stage::Head | Stage::Given(_) | Stage::Exchange(_) => {}
        }
    }

    pub(crate) fn is_write_blocked(&self) -> bool {
        self.write_blocked.get()
    }

    /// No other request is read after this one.
    pub(crate) fn set_last(&self) {
        self.last.set(true);
    }

    /// Whether the answer has to say `Connection: close`.
    pub(crate) fn is_last(&self) -> bool {
        let body_is_missing = matches!(self.stage.get(), Stage::Exchange(Body::Due | Body::Failed(_)));
        self.last.get() || body_is_missing || self.is_dismissed()
    }

    /// Another connection needs the place of this one.
    pub(crate) fn is_dismissed(&self) -> bool {
        self.deadline.is_dismissed()
    }

    /// Whether the connection may still send its first request although the worker closes.
    pub(crate) fn has_grace(&self) -> bool {
        if self.stage.get() == Stage::New {
            self.stage.set(Stage::Grace);
            self.deadline.set(GRACE_MS);
        }
        self.stage.get() == Stage::Grace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { header_ms: 1, stall_ms: 1, keep_alive_ms: 1 };

    fn progress() -> (Rc<Deadlines>, Rc<Progress>) {
        let deadlines = Deadlines::new();
        let progress = Progress::new(&deadlines, TIMES, Waker::noop().clone());
        (deadlines, progress)
    }

    fn request(progress: &Progress, body: Body) {
        progress.head_began();
        progress.head_complete(body);
        progress.head_understood();
    }

    #[test]
    fn a_request_goes_through_its_stages() {
        let (_, progress) = progress();
        assert_eq!(progress.stage(), Stage::New);
        progress.head_began();
        assert_eq!(progress.stage(), Stage::Head);
        progress.head_complete(Body::Due);
        assert_eq!(progress.stage(), Stage::Given(Body::Due));
        progress.head_understood();
        assert!(
            progress.is_body_due() && progress.is_last(),
            "an answer before the body ends the connection"
        );
        progress.body_complete();
        assert!(!progress.is_body_due() && !progress.is_last());
        progress.answering();
        progress.answered();
        assert_eq!(progress.stage(), Stage::Idle);
        assert!(!progress.has_grace(), "only a connection without a request has");
    }

    #[test]
    fn the_next_request_has_a_body_of_its_own() {
        let (_, progress) = progress();
        request(&progress, Body::Due);
        progress.body_failed(BodyFailure::TooLarge);
        assert_eq!(progress.body_failure(), Some(BodyFailure::TooLarge));
        assert!(progress.is_last());
        progress.answering();
        // The rest of it comes, or does not.
        progress.body_complete();
        assert_eq!(progress.stage(), Stage::Answering);
        progress.answered();
        request(&progress, Body::Whole);
        assert_eq!(progress.body_failure(), None);
        assert!(!progress.is_last());
    }

    #[test]
    fn a_connection_that_made_room_has_its_last_request() {
        let (deadlines, progress) = progress();
        assert!(deadlines.dismiss());
        request(&progress, Body::Whole);
        assert!(progress.is_last());
        progress.answering();
        progress.answered();
        assert!(progress.is_dismissed());
    }

    #[test]
    fn a_client_that_still_reads_does_not_make_room() {
        let (deadlines, progress) = progress();
        request(&progress, Body::Whole);
        progress.answering();
        progress.set_write_blocked(true);
        progress.answered();
        assert!(!deadlines.dismiss());
        progress.set_write_blocked(false);
        assert!(deadlines.dismiss());
    }

    #[test]
    fn while_the_worker_closes_a_new_connection_has_a_moment() {
        let (_, progress) = progress();
        assert!(progress.has_grace());
        assert_eq!(progress.stage(), Stage::Grace);
        assert!(progress.has_grace());
        progress.head_began();
        assert_eq!(progress.stage(), Stage::Head);
    }
}

//! Tells wake-ups from inside a poll from those from outside.
//!
//! hyper's client and its connection talk through channels, because hyper expects two tasks. Here one task polls both. Each
//! message would wake the task that is already running, and the runtime would poll it once more. Instead, the waker only notes
//! a wake-up that comes during a poll, and the poll repeats its round.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use futures::task::AtomicWaker;

#[derive(Default)]
pub(super) struct Nudge {
    inside: AtomicBool,
    again: AtomicBool,
    task: AtomicWaker,
}

impl Nudge {
    /// A poll begins; wake-ups from outside go to the task.
    pub(super) fn enter(&self, task: &Waker) {
        self.task.register(task);
        self.inside.store(true, Ordering::Relaxed);
    }

    /// The poll ends. If a wake-up came since the last round, the task is woken.
    pub(super) fn leave(&self, task: &Waker) {
        self.inside.store(false, Ordering::Relaxed);
        if self.again() {
            task.wake_by_ref();
        }
    }

    /// Whether there was a wake-up since this was asked last.
    pub(super) fn again(&self) -> bool {
        self.again.swap(false, Ordering::Relaxed)
    }
}

// Everything happens on one thread; the atomics are there because wakers have to be `Send`.
impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.inside.load(Ordering::Relaxed) {
            true => self.again.store(true, Ordering::Relaxed),
            false => self.task.wake(),
        }
    }
}

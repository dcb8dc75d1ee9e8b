//! Tells wake-ups from inside a poll from those from outside.
//!
//! hyper's client half talks to its connection through channels, made for two tasks. Here one task polls both; each
//! message would wake the task that is just running and so cost it a whole further round through the runtime. Instead, a
//! wake-up during the poll is only noted, and whoever polls goes round once more.

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

    /// The poll ends. A wake-up that nobody followed is passed on.
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

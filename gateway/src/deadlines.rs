//! One timer for a whole worker instead of one for each request.
//!
//! A timer of the runtime costs some hundred nanoseconds to set and to take back, and every request would need three of
//! them. Time limits need no precision: a number is written, and a sweep every [`TICK`] wakes whoever is late.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
    time::{Duration, Instant},
};

/// How late a deadline may be noticed.
pub(crate) const TICK: Duration = Duration::from_millis(50);
const TICK_MS: u64 = TICK.as_millis() as u64;
const NEVER: u64 = u64::MAX;

/// All deadlines of a worker, and its coarse clock.
pub(crate) struct Deadlines {
    began: Instant,
    now: Cell<u64>,
    slots: RefCell<Slots>,
}

/// The times lie side by side, so that ten thousand idle connections cost a sweep microseconds.
#[derive(Default)]
struct Slots {
    at: Vec<u64>,
    tasks: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Deadlines {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { began: Instant::now(), now: Cell::new(0), slots: RefCell::default() })
    }

    /// Milliseconds since the worker began, as of the last tick.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    pub(crate) fn tick(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(NEVER - 1);
        self.now.set(now);
        let slots = self.slots.borrow();
        for (at, task) in slots.at.iter().zip(&slots.tasks) {
            if *at <= now
                && let Some(task) = task
            {
                task.wake_by_ref();
            }
        }
    }

    /// Wakes everybody, to look at something else than the time.
    pub(crate) fn wake_all(&self) {
        for task in self.slots.borrow().tasks.iter().flatten() {
            task.wake_by_ref();
        }
    }

    /// A deadline, not set yet, for the task.
    pub(crate) fn register(self: &Rc<Self>, task: Waker) -> Deadline {
        let mut slots = self.slots.borrow_mut();
        let slot = match slots.free.pop() {
            Some(slot) => {
                slots.tasks[slot] = Some(task);
                slot
            }
            None => {
                slots.at.push(NEVER);
                slots.tasks.push(Some(task));
                slots.at.len() - 1
            }
        };
        Deadline { all: self.clone(), slot }
    }
}

/// The time limit on whatever a connection is doing.
pub(crate) struct Deadline {
    all: Rc<Deadlines>,
    slot: usize,
}

impl Deadline {
    /// From now on, never early.
    pub(crate) fn set(&self, after_ms: u64) {
        self.write(self.all.now().saturating_add(after_ms).saturating_add(TICK_MS));
    }

    pub(crate) fn clear(&self) {
        self.write(NEVER);
    }

    pub(crate) fn expired(&self) -> bool {
        self.all.slots.borrow().at[self.slot] <= self.all.now()
    }

    fn write(&self, at: u64) {
        self.all.slots.borrow_mut().at[self.slot] = at;
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut slots = self.all.slots.borrow_mut();
        slots.at[self.slot] = NEVER;
        let task = slots.tasks[self.slot].take();
        slots.free.push(self.slot);
        drop(slots);
        // Outside of the borrow: dropping the last waker may drop the task.
        drop(task);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
        thread,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn wakes_the_late_and_only_them() {
        let all = Deadlines::new();
        let (late, early) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let first = all.register(late.clone().into());
        let second = all.register(early.clone().into());
        first.set(0);
        second.set(60_000);
        all.tick();
        assert!(!first.expired(), "never early");
        thread::sleep(TICK * 2);
        all.tick();
        assert!(first.expired() && !second.expired());
        assert_eq!(late.0.load(Ordering::Relaxed), 1);
        assert_eq!(early.0.load(Ordering::Relaxed), 0);
        first.clear();
        all.tick();
        assert_eq!(late.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn slots_are_used_again() {
        let all = Deadlines::new();
        let waker = Waker::noop();
        drop(all.register(waker.clone()));
        let again = all.register(waker.clone());
        assert!(!again.expired());
        assert_eq!(all.slots.borrow().at.len(), 1);
    }
}

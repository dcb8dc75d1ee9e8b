//! One timer for a whole worker instead of one for each request.
//!
//! Every request would need three timers of the runtime, and setting one is not cheap. These time limits need no precision: a
//! deadline is a number, and a sweep every [`TICK`] wakes the tasks whose deadlines are over.
//!
//! Beside each deadline stands since when its connection is idle. When room is needed, the connection that is idle for longest
//! is closed.

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
/// Beside a deadline whose connection has something to do.
const BUSY: u64 = u64::MAX;
/// Beside one whose connection was told to make room; it stays there to the connection's end.
const DISMISSED: u64 = u64::MAX - 1;

/// All deadlines of a worker, and its coarse clock.
pub(crate) struct Deadlines {
    began: Instant,
    now: Cell<u64>,
    /// How often a connection came to rest: an order without two of the same time.
    rests: Cell<u64>,
    slots: RefCell<Slots>,
}

/// The times lie side by side, so that ten thousand idle connections cost a sweep microseconds.
#[derive(Default)]
struct Slots {
    at: Vec<u64>,
    resting_since: Vec<u64>,
    tasks: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Deadlines {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            began: Instant::now(),
            now: Cell::new(0),
            rests: Cell::new(0),
            slots: RefCell::default(),
        })
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

    /// Tells the connection that rests longest to make room; false if all have something to do.
    pub(crate) fn dismiss(&self) -> bool {
        let mut slots = self.slots.borrow_mut();
        let longest = slots.resting_since.iter().enumerate().min_by_key(|(_, since)| **since);
        let Some((slot, _)) = longest.filter(|(_, since)| **since < DISMISSED) else {
            return false;
        };
        slots.resting_since[slot] = DISMISSED;
        if let Some(task) = &slots.tasks[slot] {
            task.wake_by_ref();
        }
        true
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
                slots.resting_since.push(BUSY);
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

    /// There is nothing to do, and there may be so for this time.
    pub(crate) fn rest(&self, at_most_ms: u64) {
        self.set(at_most_ms);
        self.all.rests.set(self.all.rests.get() + 1);
        let since = &mut self.all.slots.borrow_mut().resting_since[self.slot];
        if *since != DISMISSED {
            *since = self.all.rests.get();
        }
    }

    /// There is something to do, and no limit to it yet.
    pub(crate) fn work(&self) {
        let mut slots = self.all.slots.borrow_mut();
        slots.at[self.slot] = NEVER;
        let since = &mut slots.resting_since[self.slot];
        if *since != DISMISSED {
            *since = BUSY;
        }
    }

    /// Whether the connection was told to make room.
    pub(crate) fn is_dismissed(&self) -> bool {
        self.all.slots.borrow().resting_since[self.slot] == DISMISSED
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
        slots.resting_since[self.slot] = BUSY;
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
        first.work();
        all.tick();
        assert_eq!(late.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn who_rests_longest_makes_room_once() {
        let all = Deadlines::new();
        let woken = Arc::new(Count::default());
        let [first, second, busy] = [0, 1, 2].map(|_| all.register(woken.clone().into()));
        first.rest(1000);
        second.rest(1000);
        busy.work();
        // It has had another request since.
        first.work();
        first.rest(1000);
        assert!(all.dismiss());
        assert!(second.is_dismissed() && !first.is_dismissed());
        assert!(all.dismiss());
        assert!(first.is_dismissed());
        assert!(!all.dismiss(), "busy ones stay");
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        first.work();
        assert!(first.is_dismissed(), "a request that came all the same is the last one");
        drop(second);
        assert!(!all.register(Waker::noop().clone()).is_dismissed());
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

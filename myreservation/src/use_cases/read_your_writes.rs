//! Read your own writes: a reader who shows the token of a write waits until the view has it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storage::StoreError;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::ports::View;

/// The first look after the one at the start; then half as often each time.
const FIRST_LOOK: Duration = Duration::from_millis(25);
const RAREST_LOOK: Duration = Duration::from_millis(200);

/// A reservation, at this version or a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinVersion {
    pub reservation_id: i64,
    pub version: i64,
}

impl MinVersion {
    /// `<reservationId>.<version>`, both positive decimal numbers.
    pub fn parse(token: &str) -> Option<Self> {
        let (id, version) = token.trim().split_once('.')?;
        Some(Self { reservation_id: positive(id)?, version: positive(version)? })
    }
}

fn positive(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number| *number > 0)
}

#[derive(Debug, thiserror::Error)]
pub enum NotYet {
    /// The time is up.
    #[error("the view does not have this version yet")]
    Behind,
    /// More readers wait already than are allowed to.
    #[error("too many readers wait")]
    Crowded,
    #[error(transparent)]
    Database(#[from] StoreError),
}

/// The readers that wait, and what they wait for.
pub struct ReadYourWrites {
    view: Arc<dyn View>,
    wait: Duration,
    max_waiting: usize,
    waiting: Mutex<HashMap<i64, Vec<Waiter>>>,
    count: AtomicUsize,
    tickets: AtomicU64,
}

struct Waiter {
    ticket: u64,
    version: i64,
    told: Arc<Notify>,
}

/// A place among those who wait; left when dropped.
struct Place<'a> {
    readers: &'a ReadYourWrites,
    reservation_id: i64,
    ticket: u64,
    told: Arc<Notify>,
}

impl ReadYourWrites {
    pub fn new(view: Arc<dyn View>, wait: Duration, max_waiting: usize) -> Self {
        Self {
            view,
            wait,
            max_waiting,
            waiting: Mutex::default(),
            count: AtomicUsize::new(0),
            tickets: AtomicU64::new(0),
        }
    }

    /// Returns once the view has this version. Woken by a commit of this process; looks into the database as well,
    /// ever more rarely, because the fact may be another replica's to apply.
    ///
    /// # Errors
    /// [`NotYet`].
    pub async fn wait(&self, wanted: MinVersion) -> Result<(), NotYet> {
        if self.has(wanted).await? {
            return Ok(());
        }
        let deadline = Instant::now() + self.wait;
        let place = self.take_place(wanted)?;
        let mut pause = FIRST_LOOK;
        loop {
            // Looked at before waiting as well: the commit may have come before the place was taken.
            if self.has(wanted).await? {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(NotYet::Behind);
            }
            let next_look = deadline.min(Instant::now() + pause);
            // Whether woken or not, what counts is what the database says.
            let _ = timeout_at(next_look, place.told.notified()).await;
            pause = (pause * 2).min(RAREST_LOOK);
        }
    }

    /// These reservations have these versions now.
    pub fn committed(&self, versions: &[(i64, i64)]) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let waiting = self.waiting();
        for (id, version) in versions {
            for waiter in waiting.get(id).into_iter().flatten() {
                if waiter.version <= *version {
                    waiter.told.notify_one();
                }
            }
        }
    }

    async fn has(&self, wanted: MinVersion) -> Result<bool, NotYet> {
        Ok(self.view.reservation_version(wanted.reservation_id).await? >= wanted.version)
    }

    fn take_place(&self, wanted: MinVersion) -> Result<Place<'_>, NotYet> {
        if self.count.fetch_add(1, Ordering::AcqRel) >= self.max_waiting {
            self.count.fetch_sub(1, Ordering::AcqRel);
            return Err(NotYet::Crowded);
        }
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let told = Arc::new(Notify::new());
        let waiter = Waiter { ticket, version: wanted.version, told: told.clone() };
        self.waiting().entry(wanted.reservation_id).or_default().push(waiter);
        Ok(Place { readers: self, reservation_id: wanted.reservation_id, ticket, told })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<i64, Vec<Waiter>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.readers.waiting();
        if let Some(waiters) = waiting.get_mut(&self.reservation_id) {
            waiters.retain(|waiter| waiter.ticket != self.ticket);
            if waiters.is_empty() {
                waiting.remove(&self.reservation_id);
            }
        }
        self.readers.count.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        assert_eq!(MinVersion::parse("7.2"), Some(MinVersion { reservation_id: 7, version: 2 }));
        for wrong in [
            "",
            "7",
            "7.",
            ".1",
            "7.0",
            "0.1",
            "-7.1",
            "+7.1",
            "7.1.1",
            "a.b",
            "7,1",
            "7.99999999999999999999",
            "٧.1",
        ] {
            assert_eq!(MinVersion::parse(wrong), None, "{wrong}");
        }
    }
}

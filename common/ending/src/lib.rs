//! A process that is told to end does so within a bounded time, whatever a library does.
//!
//! What a process holds is dropped at its end, and a drop may wait for ever: for a broker that does not answer, a lock, a thread.
//! By then the work is done and its outcome known. A thread of its own, which needs no runtime, waits for the time that was
//! granted, and ends the process with that outcome.

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use tokio::runtime::Runtime;

/// What a process takes to drop what it holds once its work is done. Orchestrators grant more.
pub const AFTER_THE_WORK: Duration = Duration::from_secs(5);
/// Functions that libraries have registered for the exit may wait as well; then a signal ends the process.
const EXIT_LIMIT: Duration = Duration::from_secs(2);

/// When the process has to be gone, and with which code.
#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    code: u8,
}

struct Watch {
    deadline: Mutex<Option<Deadline>>,
    changed: Condvar,
}

static WATCH: Watch = Watch { deadline: Mutex::new(None), changed: Condvar::new() };

/// The process ends within `limit` from now, with `code` if it has not ended by itself. What is said last holds.
pub fn within(limit: Duration, code: u8) {
    let deadline = Deadline { at: Instant::now() + limit, code };
    if WATCH.set(deadline).is_none()
        && let Err(error) = thread::Builder::new().name("ending".to_owned()).spawn(|| WATCH.keep())
    {
        // Without it the process ends as it would have without us.
        say(&format!("no thread to watch the end of the process: {error}"));
    }
}

/// Ends a runtime whose work is done: its threads are waited for, but not for ever. For the last line of `main`.
pub fn of(runtime: Runtime, code: u8) -> ExitCode {
    within(AFTER_THE_WORK, code);
    runtime.shutdown_timeout(AFTER_THE_WORK / 2);
    ExitCode::from(code)
}

impl Watch {
    /// The deadline that was set before.
    fn set(&self, deadline: Deadline) -> Option<Deadline> {
        let before = self.lock().replace(deadline);
        self.changed.notify_all();
        before
    }

    fn keep(&self) {
        let mut current = self.lock();
        loop {
            let Some(Deadline { at, code }) = *current else { return };
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break end(code);
            }
            current = self.changed.wait_timeout(current, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Deadline>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(code: u8) {
    // On threads of their own: writing and exiting may wait too.
    let said = thread::spawn(move || {
        say(&format!("the process did not end in time; it is ended with code {code}"));
    });
    let began = Instant::now();
    while !said.is_finished() && began.elapsed() < EXIT_LIMIT / 4 {
        thread::sleep(Duration::from_millis(5));
    }
    thread::spawn(move || std::process::exit(i32::from(code)));
    thread::sleep(EXIT_LIMIT);
    let _ = kill_process(getpid(), Signal::KILL);
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

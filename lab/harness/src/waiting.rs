//! Waiting for what follows, without sleeping for what might.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// For everything that has to happen. Long, because the machine may be busy; only a failing story waits for all of it.
pub const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Asks until the answer is `Ok`, and says what the last one was if that never comes.
///
/// # Panics
/// After the deadline.
pub async fn eventually<T, E: Debug>(
    deadline: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let started = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if started.elapsed() > deadline => {
                panic!("not within {deadline:?}: {what}; seen last: {seen:?}")
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// `Ok` if the condition holds, else what was seen.
///
/// # Errors
/// What was seen.
pub fn when<T>(holds: bool, seen: T) -> Result<T, T> {
    if holds { Ok(seen) } else { Err(seen) }
}

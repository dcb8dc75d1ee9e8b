use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

/// For what has to happen at once; long, because the machine may be busy.
pub const SOON: Duration = Duration::from_secs(30);

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `condition` holds; panics with `what` if it does not before the deadline.
#[track_caller]
pub fn eventually(
    what: &str,
    deadline: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    let caller = Location::caller();
    async move {
        let start = Instant::now();
        while !condition().await {
            assert!(start.elapsed() < deadline, "not within {deadline:?}: {what} ({caller})");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Waits until `look` finds something; panics with `what` if it does not before the deadline.
#[track_caller]
pub fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let start = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(start.elapsed() < deadline, "not within {deadline:?}: {what} ({caller})");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

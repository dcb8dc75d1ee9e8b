use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock as the tables keep it: epoch milliseconds, UTC. Informs people; orders nothing.
pub fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

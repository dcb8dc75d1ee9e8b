use std::time::{SystemTime, UNIX_EPOCH};

/// Epoch milliseconds, for people to read. Nothing is decided by it: versions order facts, and who waits
/// measures by a monotonic clock.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

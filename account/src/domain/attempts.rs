/// How often something may fail within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub most: i64,
    pub window_ms: i64,
}

/// What was counted. The window begins with the first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub n: i64,
    pub began_at: i64,
}

impl Limit {
    /// The seconds to wait, if the limit is reached.
    #[must_use]
    pub fn wait(&self, counted: Counted, now: i64) -> Option<u64> {
        let over_at = counted.began_at.saturating_add(self.window_ms);
        if counted.n < self.most || now >= over_at {
            return None;
        }
        let ms = over_at.saturating_sub(now).min(self.window_ms);
        Some(ms.unsigned_abs().div_ceil(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_failed_too_often_waits_for_the_end_of_the_window() {
        let limit = Limit { most: 3, window_ms: 10_000 };
        for (n, began_at, now, wait) in [
            (2, 0, 1, None),
            (3, 0, 1, Some(10)),
            (3, 0, 9_999, Some(1)),
            (3, 0, 10_000, None),
            // A clock that is far behind keeps nobody out for longer than the window.
            (9, 1_000_000, 0, Some(10)),
        ] {
            assert_eq!(limit.wait(Counted { n, began_at }, now), wait, "{n} {began_at} {now}");
        }
    }
}

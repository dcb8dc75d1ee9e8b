use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Keeps the beginnings of transactions apart while there is always something to do, so that more of it shares each of them; what
/// comes after a quiet moment does not wait. PostgreSQL's `commit_delay`, without the guess how many will come.
pub struct Pace {
    every: Duration,
    begun: Option<Instant>,
}

impl Pace {
    /// Zero: never waits.
    pub fn new(every: Duration) -> Self {
        Self { every, begun: None }
    }

    /// Until the next transaction may begin; begins it. Dropped while it waits, nothing has begun.
    pub async fn keep(&mut self) {
        if let Some(begun) = self.begun
            && !self.every.is_zero()
            && begun.elapsed() < self.every
        {
            sleep_until(begun + self.every).await;
        }
        self.begun = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_comes_after_a_quiet_moment_does_not_wait() {
        let mut pace = Pace::new(Duration::from_millis(1));
        assert!(pace.keep().now_or_never().is_some());
        let quiet = Instant::now();
        while quiet.elapsed() < Duration::from_millis(2) {
            tokio::task::yield_now().await;
        }
        assert!(pace.keep().now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_comes_soon_waits_until_it_is_time() {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::from_millis(20));
        for _ in 0..3 {
            pace.keep().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(40));
        // However long this machine makes us wait between the two.
        let mut hourly = Pace::new(Duration::from_secs(3_600));
        assert!(hourly.keep().now_or_never().is_some());
        assert!(hourly.keep().now_or_never().is_none());
    }

    #[tokio::test]
    async fn without_a_distance_nobody_waits() {
        let mut pace = Pace::new(Duration::ZERO);
        assert!((0..3).all(|_| pace.keep().now_or_never().is_some()));
    }
}

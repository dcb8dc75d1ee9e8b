use std::time::Duration;

/// Exponential backoff with full jitter.
///
/// Source: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The next pause: between half of the exponential step and all of it.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let step = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        // A UUID's last bytes are random: jitter needs no generator of its own.
        let random = uuid::Uuid::new_v4().as_bytes()[15];
        step / 2 + (step / 2).mul_f64(f64::from(random) / 255.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        let pauses: Vec<_> = (0..40).map(|_| backoff.next_pause()).collect();
        assert!(pauses[0] <= Duration::from_millis(10));
        assert!(pauses.iter().all(|p| *p <= Duration::from_secs(1)));
        assert!(pauses[39] >= Duration::from_millis(500));
        backoff.succeeded();
        assert!(backoff.next_pause() <= Duration::from_millis(10));
    }
}

use std::collections::VecDeque;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

/// The last calls, and their sums kept beside them: recording and asking cost the same for any
/// size.
#[derive(Debug)]
pub(super) struct Window {
    calls: VecDeque<Call>,
    size: usize,
    minimum: usize,
    failed: usize,
    slow: usize,
    slow_failed: usize,
}

/// What the window is evidence of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    TooFewCalls,
    Healthy,
    /// A rate has reached its threshold.
    Exceeded,
}

impl Window {
    pub(super) fn new(size: usize, minimum: usize) -> Self {
        Self {
            calls: VecDeque::with_capacity(size),
            size,
            minimum: minimum.min(size),
            failed: 0,
            slow: 0,
            slow_failed: 0,
        }
    }

    pub(super) fn record(&mut self, call: Call) {
        if self.calls.len() == self.size
            && let Some(oldest) = self.calls.pop_front()
        {
            self.failed -= usize::from(oldest.failed);
            self.slow -= usize::from(oldest.slow);
            self.slow_failed -= usize::from(oldest.slow && oldest.failed);
        }
        self.failed += usize::from(call.failed);
        self.slow += usize::from(call.slow);
        self.slow_failed += usize::from(call.slow && call.failed);
        self.calls.push_back(call);
    }

    pub(super) fn verdict(&self, failure_threshold: f64, slow_threshold: f64) -> Verdict {
        if self.calls.len() < self.minimum {
            Verdict::TooFewCalls
        } else if self.failure_rate() >= failure_threshold || self.slow_rate() >= slow_threshold {
            Verdict::Exceeded
        } else {
            Verdict::Healthy
        }
    }

    pub(super) fn buffered(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    pub(super) fn slow(&self) -> usize {
        self.slow
    }

    pub(super) fn slow_failed(&self) -> usize {
        self.slow_failed
    }

    pub(super) fn failure_rate(&self) -> f64 {
        self.percent(self.failed)
    }

    pub(super) fn slow_rate(&self) -> f64 {
        self.percent(self.slow)
    }

    fn percent(&self, calls: usize) -> f64 {
        match self.calls.len() {
            0 => 0.0,
            // Multiplied first: 29 of 100 must be 29 %, not a hair less.
            buffered => calls as f64 * 100.0 / buffered as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The sums are those of the last `size` calls, whatever came before.
        #[test]
        fn the_sums_are_of_the_last_calls(
            size in 1_usize..20,
            calls in prop::collection::vec(any::<(bool, bool)>(), 0..60),
        ) {
            let mut window = Window::new(size, size);
            for (failed, slow) in &calls {
                window.record(Call { failed: *failed, slow: *slow });
            }
            let last = &calls[calls.len().saturating_sub(size)..];
            let count = |of: fn(&(bool, bool)) -> bool| last.iter().filter(|call| of(call)).count();
            prop_assert_eq!(window.buffered(), last.len());
            prop_assert_eq!(window.failed(), count(|(failed, _)| *failed));
            prop_assert_eq!(window.slow(), count(|(_, slow)| *slow));
            prop_assert_eq!(window.slow_failed(), count(|(failed, slow)| *failed && *slow));
        }

        /// A rate that is exactly the threshold has reached it.
        #[test]
        fn a_threshold_is_reached_exactly(size in 1_usize..=100, failed in 1_usize..=100) {
            let failed = failed.min(size);
            let mut window = Window::new(size, size);
            for index in 0..size {
                window.record(Call { failed: index < failed, slow: false });
            }
            let rate = failed as f64 * 100.0 / size as f64;
            prop_assert_eq!(window.verdict(rate, 100.0), Verdict::Exceeded);
            prop_assert_eq!(window.verdict(rate + 0.001, 100.0), Verdict::Healthy);
        }
    }
}

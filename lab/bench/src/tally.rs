//! What came back: how many, with which status, how long each took.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;

use harness::http::Answer;

const LONGEST: Duration = Duration::from_secs(120);

/// Latencies in microseconds, three digits.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let longest = LONGEST.as_micros() as u64;
        Self(Histogram::new_with_max(longest, 3).expect("bounds that are constant and in order"))
    }
}

impl Latencies {
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record((latency.as_micros() as u64).max(1));
    }

    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.0.add(&other.0);
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Milliseconds below which a share (0.99) of all lies; no number when there was nothing to measure.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        if self.0.is_empty() {
            return f64::NAN;
        }
        self.0.value_at_quantile(share) as f64 / 1000.0
    }

    pub fn longest_ms(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }

    /// "p50 1.20 p99 4.00 longest 7.10 ms"
    pub fn line(&self) -> String {
        format!(
            "p50 {:.2} p99 {:.2} longest {:.2} ms",
            self.quantile_ms(0.5),
            self.quantile_ms(0.99),
            self.longest_ms()
        )
    }
}

#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Of answers below 400.
    pub good: Latencies,
    /// Of 429 and 503 with `Retry-After`: refused in order.
    pub refused: Latencies,
    pub by_status: BTreeMap<u16, u64>,
    /// No answer at all, by what went wrong.
    pub errors: BTreeMap<String, u64>,
}

impl Tally {
    pub fn record(&mut self, outcome: &io::Result<Answer>, latency: Duration) {
        match outcome {
            Ok(answer) => {
                *self.by_status.entry(answer.status).or_default() += 1;
                if answer.status < 400 {
                    self.good.record(latency);
                } else if matches!(answer.status, 429 | 503) && answer.retry_after {
                    self.refused.record(latency);
                }
            }
            Err(error) => *self.errors.entry(error.kind().to_string()).or_default() += 1,
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.good.add(&other.good);
        self.refused.add(&other.refused);
        for (status, n) in &other.by_status {
            *self.by_status.entry(*status).or_default() += n;
        }
        for (error, n) in &other.errors {
            *self.errors.entry(error.clone()).or_default() += n;
        }
    }

    pub fn total(&self) -> u64 {
        self.by_status.values().sum::<u64>() + self.errors.values().sum::<u64>()
    }

    /// Neither good nor refused in order.
    pub fn failed(&self) -> u64 {
        self.total() - self.good.count() - self.refused.count()
    }

    /// "201: 1000, 503: 3, connection reset: 1"
    pub fn line(&self) -> String {
        let statuses = self.by_status.iter().map(|(status, n)| format!("{status}: {n}"));
        let errors = self.errors.iter().map(|(error, n)| format!("{error}: {n}"));
        statuses.chain(errors).collect::<Vec<_>>().join(", ")
    }
}

/// A load that has ended.
#[derive(Debug, Clone)]
pub struct Run {
    pub elapsed: Duration,
    pub tally: Tally,
}

impl Run {
    /// Good answers a second.
    pub fn rate(&self) -> f64 {
        self.tally.good.count() as f64 / self.elapsed.as_secs_f64()
    }
}

/// The middle one, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

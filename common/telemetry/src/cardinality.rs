//! A bound on the number of series, whatever ends up in a label.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError, RwLock};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit};

/// Series per metric. Five services with ten routes each, in a dozen outcomes, stay well below.
const SERIES_PER_METRIC: usize = 2000;

/// Counts what was not recorded, by metric.
const REFUSED: &str = "telemetry_series_refused_total";

/// Passes on to `R`, up to a number of label sets per metric; what would be one more is not recorded, but counted.
pub(crate) struct Bounded<R> {
    inner: R,
    limit: usize,
    /// Hashes of the keys admitted. The first look is all that a known series costs.
    admitted: RwLock<HashSet<u64>>,
    series: Mutex<HashMap<String, usize>>,
}

impl<R: Recorder> Bounded<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self::with_limit(inner, SERIES_PER_METRIC)
    }

    fn with_limit(inner: R, limit: usize) -> Self {
        inner.describe_counter(
            REFUSED.into(),
            None,
            "Recordings dropped because their metric has too many series already.".into(),
        );
        Bounded { inner, limit, admitted: RwLock::default(), series: Mutex::default() }
    }

    fn admits(&self, key: &Key, metadata: &Metadata<'_>) -> bool {
        let hash = key.get_hash();
        let known = |admitted: &HashSet<u64>| admitted.contains(&hash);
        if known(&self.admitted.read().unwrap_or_else(PoisonError::into_inner)) {
            return true;
        }
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let of_metric = series.entry(key.name().to_owned()).or_default();
        if *of_metric < self.limit {
            let mut admitted = self.admitted.write().unwrap_or_else(PoisonError::into_inner);
            if admitted.insert(hash) {
                *of_metric += 1;
            }
            return true;
        }
        drop(series);
        let label = Label::new("metric", key.name().to_owned());
        self.inner.register_counter(&Key::from_parts(REFUSED, vec![label]), metadata).increment(1);
        false
    }
}

impl<R: Recorder> Recorder for Bounded<R> {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_counter(name, unit, description);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_gauge(name, unit, description);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_histogram(name, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        match self.admits(key, metadata) {
            true => self.inner.register_counter(key, metadata),
            false => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        match self.admits(key, metadata) {
            true => self.inner.register_gauge(key, metadata),
            false => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        match self.admits(key, metadata) {
            true => self.inner.register_histogram(key, metadata),
            false => Histogram::noop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics::{counter, with_local_recorder};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn series_beyond_the_limit_are_counted_and_not_kept() {
        let prometheus = PrometheusBuilder::new().build_recorder();
        let handle = prometheus.handle();
        with_local_recorder(&Bounded::with_limit(prometheus, 3), || {
            for round in 0..2 {
                for user in 0..5 {
                    counter!("requests_total", "user" => user.to_string()).increment(1);
                }
                counter!("other_total", "round" => round.to_string()).increment(1);
            }
        });
        let text = handle.render();
        let lines = |name: &str| text.lines().filter(|l| l.starts_with(name)).count();
        assert_eq!(lines("requests_total{"), 3, "{text}");
        assert_eq!(lines("other_total{"), 2, "{text}");
        // Two refused users, twice.
        assert!(text.contains(r#"telemetry_series_refused_total{metric="requests_total"} 4"#), "{text}");
        for user in 0..3 {
            assert!(text.contains(&format!("requests_total{{user=\"{user}\"}} 2")), "{text}");
        }
    }
}

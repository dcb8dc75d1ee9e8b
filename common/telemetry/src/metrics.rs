//! The one Prometheus recorder of the process.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::cardinality::Bounded;
use crate::process::Process;

/// Of what [`Metrics::render`] returns.
pub const CONTENT_TYPE: &str = "text/plain;version=0.0.4;charset=utf-8";

/// For `*_seconds`: from a local call to a customer who gave up. 0.62 is where calls to payment time out.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.4, 0.62, 1.0, 2.5, 5.0, 10.0, 30.0];
/// For everything else that is counted in a histogram: sizes of batches.
const SIZES: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// Histograms keep every sample until a scrape folds them into their buckets. This folds them too, so that memory stays
/// bounded without scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

static METRICS: OnceLock<Metrics> = OnceLock::new();

/// All metrics of the process, its own resources included.
pub struct Metrics {
    prometheus: PrometheusHandle,
    process: Process,
}

impl Metrics {
    /// The metrics as Prometheus reads them, of the type [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let mut text = self.prometheus.render();
        self.process.render(&mut text);
        text
    }
}

/// The recorder behind the `metrics` facade, installed by the first call.
///
/// `counter!` and its kin made before that lead nowhere for ever, so whoever keeps a handle in a field, or describes a
/// metric, calls this first. Give every metric the label `application`: several services may share the recorder.
pub fn metrics_handle() -> &'static Metrics {
    METRICS.get_or_init(|| {
        let recorder = recorder();
        let prometheus = recorder.handle();
        if metrics::set_global_recorder(Bounded::new(recorder)).is_err() {
            tracing::warn!(
                "another metrics recorder is installed; /actuator/prometheus will lack what it records"
            );
        }
        keep_up(prometheus.clone());
        Metrics { prometheus, process: Process::start() }
    })
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.set_buckets(&SIZES))
        .expect("the buckets above are not empty")
        .build_recorder()
}

fn keep_up(prometheus: PrometheusHandle) {
    let upkeep = std::thread::Builder::new().name("metrics-upkeep".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(UPKEEP);
            prometheus.run_upkeep();
        }
    });
    if let Err(error) = upkeep {
        tracing::warn!(%error, "no thread for the upkeep of metrics; scrapes have to do it");
    }
}

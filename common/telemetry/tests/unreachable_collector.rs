//! A collector that is not there costs spans, not requests, and does not keep the process from ending.
#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::time::{Duration, Instant};

use telemetry::{Kind, LogSettings, Operation, TracingSettings};

#[test]
fn nobody_waits_for_a_collector() {
    // Accepts connections and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let log = LogSettings { level: "off".to_owned(), ..LogSettings::default() };
    let tracing = TracingSettings {
        otlp_endpoint: format!("http://{}", listener.local_addr().unwrap()),
        ..TracingSettings::default()
    };
    let guard = telemetry::init("payment", &log, &tracing).unwrap();
    let begun = Instant::now();
    // More than the queue holds.
    for _ in 0..10_000 {
        let operation = Operation::start(Kind::Server, "GET /payments", None);
        assert!(operation.is_exported());
    }
    let working = begun.elapsed();
    drop(guard);
    let ending = begun.elapsed() - working;
    assert!(working < Duration::from_secs(5), "{working:?}");
    assert!(ending < Duration::from_secs(8), "{ending:?}");
}

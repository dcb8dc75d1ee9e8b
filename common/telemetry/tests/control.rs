//! `init` without export: levels that change while the process runs, the metrics of the process. One test, for `init`
//! is for a whole process.
#![allow(clippy::unwrap_used)]

use telemetry::{
    Kind, LogFormat, LogLevel, LogSettings, Operation, Scope, TelemetryError, TraceContext, TracingSettings,
};
use tracing::Level;

fn debug_is_logged() -> bool {
    tracing::enabled!(target: "payment::store", Level::DEBUG)
}

#[test]
fn a_process_with_telemetry() {
    refuses_wrong_settings();
    let settings = LogSettings { format: LogFormat::Json, level: "warn,payment=info".to_owned() };
    assert!(telemetry::log_control().is_none());
    let _guard = telemetry::init("payment", &settings, &TracingSettings::default()).unwrap();
    assert!(matches!(
        telemetry::init("payment", &settings, &TracingSettings::default()),
        Err(TelemetryError::AlreadyStarted)
    ));

    levels_change();
    operations_cost_no_span();
    metrics_are_rendered();
    assert_eq!(Scope::current().application(), Some("payment"));
}

fn refuses_wrong_settings() {
    let line = |level: &str, sample_ratio, endpoint: &str| {
        let log = LogSettings { level: level.to_owned(), ..LogSettings::default() };
        let tracing = TracingSettings { sample_ratio, otlp_endpoint: endpoint.to_owned() };
        telemetry::init("payment", &log, &tracing).unwrap_err().to_string()
    };
    let level = line("info,x=loud", 1.0, "");
    assert!(level.starts_with("log.level: \"info,x=loud\" is no list of levels"), "{level}");
    assert_eq!(line("info", 1.5, ""), "tracing.sample_ratio: 1.5 is not between 0 and 1");
    assert_eq!(line("info", f64::NAN, ""), "tracing.sample_ratio: NaN is not between 0 and 1");
    for endpoint in ["localhost:4318", "https://x", "http://", "http:///x", "http://a b"] {
        assert_eq!(
            line("info", 1.0, endpoint),
            format!("tracing.otlp_endpoint: {endpoint:?} is no address such as http://localhost:4318")
        );
    }
}

fn levels_change() {
    let control = telemetry::log_control().unwrap();
    assert!(!debug_is_logged());
    let log_facade = tracing_log::log::max_level;

    control.set("payment::store", Some(LogLevel::Debug)).unwrap();
    assert!(debug_is_logged());
    assert_eq!(log_facade(), tracing_log::log::LevelFilter::Debug);
    let levels = control.levels();
    assert_eq!(levels["payment::store"].configured_level, Some(LogLevel::Debug));
    assert_eq!(levels["payment"].effective_level, LogLevel::Info);
    assert_eq!(levels["ROOT"].configured_level, Some(LogLevel::Warn));

    control.set("payment::store", None).unwrap();
    assert!(!debug_is_logged());
    assert_eq!(control.level("payment::store").configured_level, None);
    assert_eq!(
        control.levels()["payment::store"].effective_level,
        LogLevel::Info,
        "code with this target ran, so it is known"
    );

    control.set("ROOT", Some(LogLevel::Off)).unwrap();
    assert!(!tracing::enabled!(target: "other", Level::ERROR));
    assert!(tracing::enabled!(target: "payment", Level::INFO));
    control.set("ROOT", None).unwrap();
    assert!(tracing::enabled!(target: "other", Level::WARN));

    assert!(control.set("a=b", Some(LogLevel::Debug)).is_err());
    assert_eq!(
        serde_json::to_value(control.level("payment")).unwrap(),
        serde_json::json!({"configuredLevel": "INFO", "effectiveLevel": "INFO"})
    );
    assert_eq!(
        serde_json::to_value(control.level("payment::x")).unwrap(),
        serde_json::json!({"effectiveLevel": "INFO"})
    );
}

fn operations_cost_no_span() {
    let parent = TraceContext::new_root();
    let operation = Operation::start(Kind::Server, "GET /payments/{id}", Some(parent));
    assert!(!operation.is_exported());
    assert!(operation.span().is_none());
    assert_eq!(operation.context().trace_id(), parent.trace_id());
    assert_ne!(operation.context().span_id(), parent.span_id());
    operation.rename("other");
    operation.set("http.response.status_code", 200);
    operation.link(parent);
    operation.fail("no");
}

fn metrics_are_rendered() {
    let metrics = telemetry::metrics_handle();
    metrics::describe_histogram!("http_server_requests_seconds", "Requests served.");
    metrics::histogram!("http_server_requests_seconds", "application" => "payment").record(0.0007);
    metrics::histogram!("relay_batch_records", "application" => "payment").record(3.0);
    metrics::counter!("outbox_published_total", "application" => "payment").increment(2);
    let text = metrics.render();
    for line in [
        "# HELP http_server_requests_seconds Requests served.",
        "# TYPE http_server_requests_seconds histogram",
        r#"http_server_requests_seconds_bucket{application="payment",le="0.0005"} 0"#,
        r#"http_server_requests_seconds_bucket{application="payment",le="0.001"} 1"#,
        r#"http_server_requests_seconds_bucket{application="payment",le="+Inf"} 1"#,
        r#"http_server_requests_seconds_count{application="payment"} 1"#,
        r#"relay_batch_records_bucket{application="payment",le="5"} 1"#,
        "# TYPE outbox_published_total counter",
        r#"outbox_published_total{application="payment"} 2"#,
        "# TYPE process_cpu_usage gauge",
        "# TYPE process_cpu_seconds_total counter",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing from\n{text}");
    }
    let value = |name: &str| -> f64 {
        let prefix = format!("{name}{{application=\"payment\"}} ");
        text.lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .unwrap_or_else(|| panic!("{name} is missing from\n{text}"))
            .parse()
            .unwrap()
    };
    assert!((0.0..=1.0).contains(&value("process_cpu_usage")));
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_files_open_files") >= 3.0);
    assert!(value("process_files_max_files") >= value("process_files_open_files"));
    assert!((0.0..600.0).contains(&value("process_uptime_seconds")));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - 600.0..=now + 1.0).contains(&value("process_start_time_seconds")));
    // Every family is described once, or Prometheus refuses the page.
    let mut types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    types.sort_unstable();
    let families = types.len();
    types.dedup();
    assert_eq!(types.len(), families);
}

//! The start and the end of telemetry, in `main`.

use std::backtrace::BacktraceStatus;
use std::io::IsTerminal;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{Registry, reload};

use crate::log::{
    JsonLines, KnownTargets, LevelError, Levels, LogControl, PrettyLines, pass_on_to_log, set_log_control,
};
use crate::{LogFormat, LogSettings, TracingSettings, operation, scope, trace_context};

/// How long the end of the process waits for the last spans to leave.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Why telemetry did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    #[error("telemetry is started already")]
    AlreadyStarted,
    #[error("log.level: {0}")]
    Level(#[from] LevelError),
    #[error("tracing.sample_ratio: {0} is not between 0 and 1")]
    SampleRatio(f64),
    #[error("tracing.otlp_endpoint: {0:?} is no address such as http://localhost:4318")]
    Endpoint(String),
    #[error("tracing.otlp_endpoint: the export of spans cannot start: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// Keeps telemetry going; sends what is left when it is dropped, at the end of `main`.
#[must_use = "dropped at once, it ends the export of spans at once"]
#[derive(Debug)]
pub struct TelemetryGuard {
    spans: Option<SdkTracerProvider>,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(spans) = self.spans.take()
            && let Err(error) = spans.shutdown_with_timeout(FLUSH_TIMEOUT)
        {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// Starts the log (to standard error, so that standard output stays free for what was asked for), the metrics recorder,
/// and, with an endpoint, the export of spans. Only `main` calls this; a second call is refused and changes nothing.
///
/// # Errors
/// A setting that cannot be obeyed, in one line that names its key; a process that has a subscriber already.
pub fn init(
    service: &'static str,
    log: &LogSettings,
    tracing: &TracingSettings,
) -> Result<TelemetryGuard, TelemetryError> {
    if crate::log_control().is_some() {
        return Err(TelemetryError::AlreadyStarted);
    }
    if !(0.0..=1.0).contains(&tracing.sample_ratio) {
        return Err(TelemetryError::SampleRatio(tracing.sample_ratio));
    }
    let levels = Levels::parse(&log.level)?;
    let spans = match tracing.otlp_endpoint.trim() {
        "" => None,
        endpoint => Some(span_export(service, endpoint)?),
    };

    let (filter, reload) = reload::Layer::new(levels.filter()?);
    let known = KnownTargets::default();
    let mut layers = vec![log_layer(log.format).with_filter(known.clone().and(filter)).boxed()];
    // Not an `Option`: an absent layer takes an interest in everything, and switched-off events would cost something.
    layers.extend(spans.as_ref().map(span_layer));
    let subscriber = Registry::default().with(layers);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::AlreadyStarted)?;

    scope::set_service(service);
    trace_context::set_sample_ratio(tracing.sample_ratio);
    set_log_control(LogControl::new(levels, reload, known));
    if tracing_log::LogTracer::init().is_ok() {
        pass_on_to_log();
    }
    if spans.is_some() {
        operation::start_exporting();
    }
    log_panics();
    crate::metrics_handle();
    Ok(TelemetryGuard { spans })
}

fn log_layer(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // Complaining on standard error that standard error is gone would panic.
        .log_internal_errors(false);
    match format {
        LogFormat::Pretty => layer
            .with_ansi(std::io::stderr().is_terminal())
            .event_format(PrettyLines)
            .fmt_fields(PrettyLines)
            .boxed(),
        LogFormat::Json => layer.with_ansi(false).event_format(JsonLines).fmt_fields(JsonLines).boxed(),
    }
}

/// A panic is a line of the log like any other, with the request it happened in.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a value that is no text");
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(
            target: "panic",
            thread = std::thread::current().name(),
            location = panic.location().map(tracing::field::display),
            backtrace = (backtrace.status() == BacktraceStatus::Captured)
                .then(|| tracing::field::display(&backtrace)),
            "{message}"
        );
    }));
}

fn span_layer(spans: &SdkTracerProvider) -> Box<dyn Layer<Registry> + Send + Sync> {
    tracing_opentelemetry::layer()
        .with_tracer(spans.tracer("telemetry"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        // Parents are given explicitly or found among the tracing spans.
        .with_context_activation(false)
        .with_filter(LevelFilter::INFO)
        .boxed()
}

/// Spans go out in batches from a thread of the SDK's own; when it cannot keep up or the receiver is down they are
/// dropped, and no request waits.
fn span_export(service: &'static str, endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder().with_http().with_endpoint(traces_url(endpoint)?).build()?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        // Whether a trace that begins here is sampled was decided when its context was made.
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_resource(Resource::builder().with_service_name(service).build())
        .build())
}

/// The receiver's base address, or the full one of its traces.
fn traces_url(endpoint: &str) -> Result<String, TelemetryError> {
    let invalid = || TelemetryError::Endpoint(endpoint.to_owned());
    let rest = endpoint.strip_prefix("http://").ok_or_else(invalid)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.is_empty() || endpoint.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(invalid());
    }
    Ok(match path.trim_end_matches('/') {
        "" => format!("http://{authority}/v1/traces"),
        path => format!("http://{authority}/{path}"),
    })
}

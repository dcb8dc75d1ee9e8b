use events::Event;
use messaging::Record;
use telemetry::TraceContext;

/// A fact as the log takes it. `source` and `ce_id` name it also when it is delivered twice.
pub(super) fn record(
    topic: &str,
    payment_id: i64,
    event: &Event,
    timestamp_ms: i64,
    traceparent: Option<&str>,
) -> Record {
    let id = format!("{payment_id}-{}", event.version());
    Record {
        topic: topic.to_owned(),
        key: Some(event.key()),
        payload: event.to_json(timestamp_ms),
        headers: events::headers(event, "payment", &id, timestamp_ms, traceparent),
        timestamp_ms,
    }
}

pub(super) fn current_trace() -> Option<String> {
    TraceContext::current().map(|trace| trace.to_string())
}

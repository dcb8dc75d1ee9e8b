#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tracing::{Subscriber, info, info_span, warn};
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::TraceContext;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        self.clone()
    }
}

impl Lines {
    fn of(
        subscriber: impl FnOnce(Lines) -> Box<dyn Subscriber + Send + Sync>,
        work: impl FnOnce(),
    ) -> String {
        let lines = Lines::default();
        tracing::subscriber::with_default(subscriber(lines.clone()), work);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }
}

fn pretty(work: impl FnOnce()) -> String {
    let subscriber = |lines| -> Box<dyn Subscriber + Send + Sync> {
        Box::new(
            tracing_subscriber::fmt()
                .with_writer(lines)
                .with_ansi(false)
                .event_format(PrettyLines)
                .fmt_fields(PrettyLines)
                .finish(),
        )
    };
    let lines = Lines::of(subscriber, work);
    // Without the time.
    lines.lines().map(|line| format!("{}\n", &line[27..])).collect()
}

fn json(work: impl FnOnce()) -> Vec<Json> {
    let subscriber = |lines| -> Box<dyn Subscriber + Send + Sync> {
        Box::new(
            tracing_subscriber::fmt()
                .with_writer(lines)
                .event_format(JsonLines)
                .fmt_fields(JsonLines)
                .finish(),
        )
    };
    Lines::of(subscriber, work).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn scope() -> Scope {
    Scope::default()
        .with_application("payment")
        .with_trace(TraceContext::new(0x4bf9, 0xf067, true).unwrap())
        .with_request_id("r-1")
}

#[derive(Debug, thiserror::Error)]
#[error("the charge failed")]
struct Outer(#[source] std::num::ParseIntError);

fn log_an_error() {
    let error = Outer("x".parse::<i32>().unwrap_err());
    warn!(target: "payment::charge", error = &error as &dyn std::error::Error, attempt = 2, "again");
}

#[test]
fn a_pretty_line_names_the_service_the_trace_and_the_request() {
    let lines = pretty(|| {
        scope().run_blocking(
            || info!(target: "payment::charge", id = 7, name = "two words", "charged {}", 1300),
        );
        info!(target: "payment::charge", kind = %"plain", ok = true);
        log_an_error();
    });
    assert_eq!(
        lines,
        concat!(
            "  INFO [payment 00000000000000000000000000004bf9 r-1] payment::charge: charged 1300 id=7 name=\"two words\"\n",
            "  INFO [-] payment::charge: kind=plain ok=true\n",
            "  WARN [-] payment::charge: again error=the charge failed: invalid digit found in string attempt=2\n",
        )
    );
}

#[test]
fn a_json_line_names_them_too() {
    let lines = json(|| {
        scope().run_blocking(|| {
            info!(target: "payment::charge", id = 7, share = 0.5, name = "\"quoted\"", "charged");
        });
        log_an_error();
    });
    let mut first = lines[0].clone();
    let time = first["timestamp"].take();
    assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    assert_eq!(
        first,
        serde_json::json!({
            "timestamp": null,
            "level": "INFO",
            "application": "payment",
            "trace_id": "00000000000000000000000000004bf9",
            "span_id": "000000000000f067",
            "request_id": "r-1",
            "logger": "payment::charge",
            "message": "charged",
            "fields": {"id": 7, "share": 0.5, "name": "\"quoted\""},
        })
    );
    assert_eq!(lines[1]["fields"]["error"], "the charge failed: invalid digit found in string");
    assert_eq!(lines[1].get("trace_id"), None);
}

#[test]
fn fields_of_spans_are_shown() {
    let work = || {
        let _outer = info_span!("relay", topic = "prereservation").entered();
        let inner = info_span!("batch", size = 2, failed = tracing::field::Empty);
        let _inner = inner.enter();
        inner.record("failed", 1);
        info!(target: "relay", "done");
    };
    assert_eq!(
        pretty(work),
        "  INFO [-] relay: done size=2 failed=1 topic=\"prereservation\"\n".replace("\"", "")
    );
    assert_eq!(
        json(work)[0]["spans"],
        serde_json::json!([{"name": "relay", "topic": "prereservation"}, {"name": "batch", "size": 2, "failed": 1}])
    );
}

#[test]
fn records_of_the_log_facade_keep_their_target() {
    use tracing_log::log;
    let record = || {
        tracing_log::format_trace(
            &log::Record::builder()
                .args(format_args!("connected"))
                .level(log::Level::Warn)
                .target("rdkafka::client")
                .build(),
        )
        .unwrap();
    };
    assert_eq!(pretty(record), "  WARN [-] rdkafka::client: connected\n");
    let line = &json(record)[0];
    assert_eq!(line["logger"], "rdkafka::client");
    assert_eq!(line.get("fields"), None);
}

proptest! {
    /// Nothing that a client sends starts a line of its own or reaches the terminal as a command.
    #[test]
    fn one_event_is_one_line(text in "(.|\n|\r|\x1b|\u{85}){0,40}") {
        let work = || {
            scope().with_request_id(text.as_str()).run_blocking(|| {
                info!(target: "t", a = %text, b = ?text, c = text.as_str(), "said {text}");
            });
        };
        let lines = pretty(work);
        prop_assert!(lines.ends_with('\n'));
        prop_assert!(!lines[..lines.len() - 1].contains(char::is_control), "{:?}", lines);
        let line = &json(work)[0];
        prop_assert_eq!(&line["fields"]["a"], text.as_str());
        prop_assert_eq!(&line["fields"]["c"], text.as_str());
        prop_assert_eq!(&line["request_id"], text.as_str());
        prop_assert_eq!(&line["message"], &format!("said {text}"));
    }
}

//! What is handled, as spans: one in the trace of every record, and where traces join because several records are one
//! transaction, one of that transaction that is linked with them, and they with it.

use telemetry::{Kind, Operation};

use crate::log::ReceivedRecord;

/// Spans that last as long as their transaction. None are made when nobody collects them.
pub(super) struct Handling {
    spans: Vec<Operation>,
}

impl Handling {
    pub(super) fn of(topic: &str, records: &[ReceivedRecord]) -> Self {
        if !telemetry::exports_spans() {
            return Self { spans: Vec::new() };
        }
        let name = format!("process {topic}");
        let mut spans: Vec<_> = records.iter().filter_map(|record| span(&name, topic, record)).collect();
        if spans.len() > 1 {
            let transaction = Operation::start(Kind::Internal, format!("batch {topic}"), None);
            if transaction.is_exported() {
                for span in &spans {
                    transaction.link(span.context());
                    span.link(transaction.context());
                }
            }
            spans.push(transaction);
        }
        Self { spans }
    }

    pub(super) fn failed(&self, reason: impl Fn() -> String) {
        for span in &self.spans {
            span.fail(reason());
        }
    }
}

fn span(name: &str, topic: &str, received: &ReceivedRecord) -> Option<Operation> {
    let cause = received.trace().filter(|cause| cause.is_sampled())?;
    let span = Operation::start(Kind::Consumer, name.to_owned(), Some(cause));
    span.set("messaging.destination.name", topic.to_owned());
    span.set("messaging.destination.partition.id", received.partition.to_string());
    span.set("messaging.kafka.offset", received.offset);
    span.is_exported().then_some(span)
}

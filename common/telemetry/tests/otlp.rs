//! Spans as a collector receives them: the ids that were passed on are the ids that are exported.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use telemetry::{Kind, LogSettings, Operation, Scope, TraceContext, TracingSettings};

/// An OTLP/HTTP receiver that hands over what it gets.
fn collector() -> (String, Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            receive(connection.unwrap(), &sender);
        }
    });
    (address, receiver)
}

fn receive(connection: TcpStream, sender: &Sender<ExportTraceServiceRequest>) {
    let mut answer = connection.try_clone().unwrap();
    let mut request = BufReader::new(connection);
    loop {
        let mut length = 0;
        let mut first = String::new();
        if request.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        assert_eq!(first.trim(), "POST /v1/traces HTTP/1.1");
        loop {
            let mut line = String::new();
            request.read_line(&mut line).unwrap();
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        request.read_exact(&mut body).unwrap();
        sender.send(ExportTraceServiceRequest::decode(body.as_slice()).unwrap()).unwrap();
        answer
            .write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
            )
            .unwrap();
    }
}

/// What the operations below passed on.
struct Contexts {
    server: TraceContext,
    client: TraceContext,
    consumer: TraceContext,
    root: TraceContext,
}

const REMOTE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const LINKED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

async fn work() -> Contexts {
    let server = Operation::start(Kind::Server, "POST", TraceContext::parse(REMOTE));
    assert!(server.is_exported());
    server.rename("POST /preReservations");
    let client = Scope::default()
        .with_application("prereservation")
        .run(server.run(async {
            let client = Operation::child(Kind::Client, "POST /payments");
            client.set("http.response.status_code", 503);
            client.fail("no payment");
            // Work of one's own choosing below an operation.
            client.run(async { drop(tracing::info_span!("charge", attempt = 1).entered()) }).await;
            client.context()
        }))
        .await;
    server.set("http.response.status_code", 201);

    let consumer = Operation::start(Kind::Consumer, "process", Some(client));
    consumer.link(TraceContext::parse(LINKED).unwrap());
    let current = consumer.run(async { TraceContext::current() }).await;
    assert_eq!(current, Some(consumer.context()));

    let root = Operation::start(Kind::Internal, "purge", None);
    let unsampled = Operation::start(Kind::Server, "quiet", TraceContext::parse(UNSAMPLED));
    assert!(!unsampled.is_exported());
    assert!(!unsampled.context().is_sampled());
    Contexts { server: server.context(), client, consumer: consumer.context(), root: root.context() }
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name} among {spans:#?}"))
}

/// The span is the one that the context names, in the trace and below the parent given.
fn assert_place(span: &Span, context: TraceContext, parent: &[u8]) {
    assert_eq!(span.trace_id, context.trace_id().to_be_bytes(), "{}", span.name);
    assert_eq!(span.span_id, context.span_id().to_be_bytes(), "{}", span.name);
    assert_eq!(span.parent_span_id, parent, "{}", span.name);
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    let attribute = span.attributes.iter().find(|a| a.key == key)?;
    attribute.value.as_ref()?.value.as_ref()
}

#[test]
fn exported_spans_are_the_ones_that_were_passed_on() {
    let (address, requests) = collector();
    let tracing = TracingSettings { otlp_endpoint: address, ..TracingSettings::default() };
    let log = LogSettings {
        // The log's level must not decide what is exported.
        level: "off".to_owned(),
        ..LogSettings::default()
    };
    let guard = telemetry::init("prereservation", &log, &tracing).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let contexts = runtime.block_on(work());
    // As in main: dropped where a runtime is, which must not matter.
    runtime.block_on(async { drop(guard) });

    let request = requests.recv_timeout(Duration::from_secs(20)).unwrap();
    let resource = &request.resource_spans[0];
    let service = resource.resource.as_ref().unwrap().attributes.iter().any(|a| {
        a.key == "service.name"
            && a.value.as_ref().unwrap().value == Some(Value::StringValue("prereservation".into()))
    });
    assert!(service, "{:?}", resource.resource);
    let spans: Vec<Span> = resource.scope_spans.iter().flat_map(|s| s.spans.clone()).collect();
    assert_eq!(spans.len(), 5, "{spans:#?}");

    let remote = TraceContext::parse(REMOTE).unwrap();
    let server = named(&spans, "POST /preReservations");
    assert_place(server, contexts.server, &remote.span_id().to_be_bytes());
    assert_eq!(contexts.server.trace_id(), remote.trace_id());
    assert_eq!(server.kind, 2);
    assert_eq!(attribute(server, "http.response.status_code"), Some(&Value::IntValue(201)));

    let client = named(&spans, "POST /payments");
    assert_place(client, contexts.client, &server.span_id);
    assert_eq!(client.kind, 3);
    assert_eq!(client.status.as_ref().unwrap().message, "no payment");
    assert_eq!(attribute(client, "application"), Some(&Value::StringValue("prereservation".into())));
    assert_eq!(named(&spans, "charge").parent_span_id, client.span_id);

    let consumer = named(&spans, "process");
    assert_place(consumer, contexts.consumer, &client.span_id);
    assert_eq!(consumer.kind, 5);
    let linked = TraceContext::parse(LINKED).unwrap();
    assert_eq!(consumer.links[0].trace_id, linked.trace_id().to_be_bytes());
    assert_eq!(consumer.links[0].span_id, linked.span_id().to_be_bytes());

    assert_place(named(&spans, "purge"), contexts.root, &[]);
    assert_ne!(contexts.root.trace_id(), remote.trace_id());
}

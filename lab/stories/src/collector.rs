//! A collector of traces: what OTLP/HTTP brings is kept, and can be asked for.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A span, and whose it is.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The service; in the single process the one whose work it was.
    pub application: String,
    pub span: Span,
}

impl Collected {
    pub fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }
}

pub struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Collected>>>,
}

impl Collector {
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = spans.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, kept.clone()));
            }
        });
        Self { address, spans }
    }

    /// For `tracing.otlp_endpoint`.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn spans_of(&self, trace: &str) -> Vec<Collected> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter().filter(|span| span.trace() == trace).cloned().collect()
    }
}

/// Request after request, until the client leaves.
async fn serve(connection: TcpStream, kept: Arc<Mutex<Vec<Collected>>>) -> Option<()> {
    const ACCEPTED: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
    let mut connection = BufReader::new(connection);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.ok()?;
        let request = ExportTraceServiceRequest::decode(body.as_slice()).ok()?;
        kept.lock().unwrap_or_else(PoisonError::into_inner).extend(spans(request));
        connection.write_all(ACCEPTED).await.ok()?;
    }
}

fn spans(request: ExportTraceServiceRequest) -> impl Iterator<Item = Collected> {
    request.resource_spans.into_iter().flat_map(|of_one| {
        let resource = of_one.resource.map(|resource| resource.attributes).unwrap_or_default();
        let service = text(&resource, "service.name").unwrap_or_default();
        let spans = of_one.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(move |span| Collected {
            application: text(&span.attributes, "application").unwrap_or_else(|| service.clone()),
            span,
        })
    })
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! `http_server_requests_seconds` and `http_client_requests_seconds`, each series looked up by number after its first use;
//! and who waits for a connection, as reactor-netty, the client of Spring Cloud Gateway, counts it.

use std::cell::RefCell;

use http::Method;
use metrics::{Gauge, Histogram, Unit, describe_counter, describe_gauge, describe_histogram};

const SERVER: &str = "http_server_requests_seconds";
const CLIENT: &str = "http_client_requests_seconds";
const DISMISSED: &str = "gateway_connections_dismissed_total";
const PENDING: &str = "reactor_netty_connection_provider_pending_connections";

/// Which side of the gateway a request was seen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// A method as a label: clients must not be able to invent any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodLabel(&'static str);

impl MethodLabel {
    pub(crate) const UNKNOWN: Self = Self("UNKNOWN");

    pub(crate) fn of(method: &Method) -> Self {
        Self(telemetry::method_label(method.as_str()))
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.0
    }
}

type Key = (Side, MethodLabel, u16);

/// A worker's handles for what has one URI in the metrics: a route, or pages of the gateway's own.
pub(crate) struct Series {
    uri: String,
    /// What the service is called on the side of the client.
    client: String,
    known: RefCell<Vec<(Key, Histogram)>>,
}

impl Series {
    /// `uri` is the template that stands for all paths.
    pub(crate) fn new(uri: &str, client: &str) -> Self {
        Self { uri: uri.to_owned(), client: client.to_owned(), known: RefCell::default() }
    }

    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    /// Status 0 means that there was no answer.
    pub(crate) fn record(&self, side: Side, method: MethodLabel, status: u16, seconds: f64) {
        let key = (side, method, status);
        let mut known = self.known.borrow_mut();
        if let Some((_, histogram)) = known.iter().find(|(other, _)| *other == key) {
            return histogram.record(seconds);
        }
        let histogram = self.histogram(key);
        histogram.record(seconds);
        known.push((key, histogram));
    }

    fn histogram(&self, (side, method, status): Key) -> Histogram {
        let application = crate::APPLICATION;
        let uri = self.uri.clone();
        let outcome = telemetry::outcome_label(status);
        let code = match status {
            0 => "IO_ERROR".to_owned(),
            status => status.to_string(),
        };
        match side {
            Side::Server => metrics::histogram!(
                SERVER, "application" => application, "method" => method.0, "uri" => uri,
                "status" => code, "outcome" => outcome
            ),
            Side::Client => metrics::histogram!(
                CLIENT, "application" => application, "method" => method.0, "uri" => uri,
                "status" => code, "outcome" => outcome, "client_name" => self.client.clone()
            ),
        }
    }
}

/// How many requests wait for a connection to the address, of all workers.
pub(crate) fn pending(remote_address: String) -> Gauge {
    metrics::gauge!(PENDING, "application" => crate::APPLICATION, "remote_address" => remote_address)
}

/// An idle connection made room for a new one.
pub(crate) fn dismissed() {
    metrics::counter!(DISMISSED, "application" => crate::APPLICATION).increment(1);
}

/// To be called once the recorder is there.
pub(crate) fn describe() {
    describe_histogram!(SERVER, Unit::Seconds, "Requests answered, by route, method and status.");
    describe_histogram!(CLIENT, Unit::Seconds, "Requests sent to services, until the head of their answer.");
    describe_counter!(DISMISSED, "Idle client connections that were closed to make room for new ones.");
    describe_gauge!(PENDING, "Requests that wait for a connection to a service.");
}

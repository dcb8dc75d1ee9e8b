//! `http_server_requests_seconds` and `http_client_requests_seconds`, each series looked up by number after its first use;
//! and who waits for a connection, as reactor-netty, the client of Spring Cloud Gateway, counts it.

use std::{cell::RefCell, sync::Arc};

use http::Method;
use metrics::{Gauge, Histogram, Unit, describe_counter, describe_gauge, describe_histogram};

use crate::{gateway::Gateway, upstream::Address};

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

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Route(usize),
    Actuator,
    Root,
    /// Refused before it was known, or nothing is there.
    Unknown,
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

type Key = (Side, Resource, MethodLabel, u16);

/// A worker's handles.
pub(crate) struct Metrics {
    gateway: Arc<Gateway>,
    known: RefCell<Vec<(Key, Histogram)>>,
}

impl Metrics {
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway, known: RefCell::default() }
    }

    /// Status 0 means that there was no answer.
    pub(crate) fn record(
        &self,
        side: Side,
        resource: Resource,
        method: MethodLabel,
        status: u16,
        seconds: f64,
    ) {
        let key = (side, resource, method, status);
        let mut known = self.known.borrow_mut();
        if let Some((_, histogram)) = known.iter().find(|(other, _)| *other == key) {
            return histogram.record(seconds);
        }
        let histogram = self.histogram(key);
        histogram.record(seconds);
        known.push((key, histogram));
    }

    /// The template that stands for all paths of the resource.
    pub(crate) fn uri(&self, resource: Resource) -> &str {
        match resource {
            Resource::Route(index) => self.gateway.routes[index].pattern.as_str(),
            Resource::Actuator => "/actuator/**",
            Resource::Root => "/",
            Resource::Unknown => "UNKNOWN",
        }
    }

    fn histogram(&self, (side, resource, method, status): Key) -> Histogram {
        let application = crate::APPLICATION;
        let uri = self.uri(resource).to_owned();
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
            Side::Client => {
                let client = match resource {
                    Resource::Route(index) => self.gateway.routes[index].id.clone(),
                    _ => String::new(),
                };
                metrics::histogram!(
                    CLIENT, "application" => application, "method" => method.0, "uri" => uri,
                    "status" => code, "outcome" => outcome, "client_name" => client
                )
            }
        }
    }
}

/// How many requests wait for a connection to the address, of all workers.
pub(crate) fn pending(address: &Address) -> Gauge {
    // It was made of text.
    let address = String::from_utf8_lossy(address.authority.as_bytes()).into_owned();
    metrics::gauge!(PENDING, "application" => crate::APPLICATION, "remote_address" => address)
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

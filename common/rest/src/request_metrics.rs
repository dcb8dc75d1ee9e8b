//! `http_server_requests_seconds`, one histogram for each route, method and status, looked up by numbers.

use std::time::Duration;

use metrics::Histogram;

use crate::route_table::RouteTable;

pub(crate) const HTTP_SERVER_REQUESTS: &str = "http_server_requests_seconds";

/// The histograms that one worker has used so far.
pub(crate) struct RequestMetrics {
    application: &'static str,
    known: Vec<(Key, Histogram)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    route: usize,
    status: u16,
    /// One of the few texts of [`telemetry::method_label`].
    method: &'static str,
}

impl RequestMetrics {
    pub(crate) fn new(application: &'static str) -> Self {
        Self { application, known: Vec::new() }
    }

    pub(crate) fn record(
        &mut self,
        routes: &RouteTable,
        route: usize,
        method: &'static str,
        status: u16,
        elapsed: Duration,
    ) {
        let key = Key { route, status, method };
        if let Some((_, histogram)) = self.known.iter().find(|(known, _)| *known == key) {
            histogram.record(elapsed);
            return;
        }
        let histogram = metrics::histogram!(
            HTTP_SERVER_REQUESTS,
            "application" => self.application,
            "method" => method,
            "uri" => routes.template(route).to_owned(),
            "status" => status.to_string(),
            "outcome" => telemetry::outcome_label(status),
        );
        histogram.record(elapsed);
        self.known.push((key, histogram));
    }
}

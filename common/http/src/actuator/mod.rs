//! What operators see of a process: health, build, metrics, log levels, and what its parts add.
//!
//! Servers hand [`Actuator`] method, path and body. What they let be seen is decided in `access`, for all of them.

mod access;
mod breakers;
mod disk_space;
mod endpoint;
mod health;
mod info;
mod loggers;

use std::{sync::Arc, time::Duration};

pub use access::ActuatorRequest;
pub use breakers::{Breaker, BreakerSnapshot, BreakerUpdate};
pub use disk_space::DiskSpace;
pub use endpoint::{ActuatorEndpoint, Json, object};
pub use health::{Health, HealthCheck, Status};

use self::access::{Access, Place, View};
use crate::{JSON, lifecycle::Lifecycle, management::ManagementSettings, problem, problem::Problem};

/// An answer, for any server to send.
#[derive(Clone, Debug)]
pub struct ActuatorResponse {
    pub status: u16,
    /// Empty when there is no body.
    pub content_type: &'static str,
    pub body: Vec<u8>,
    /// The `Allow` header, where it is due.
    pub allow: Option<String>,
}

impl ActuatorResponse {
    fn json(status: u16, body: &Json) -> Self {
        Self { status, content_type: JSON, body: body.to_string().into_bytes(), allow: None }
    }

    fn no_content() -> Self {
        Self { status: 204, content_type: "", body: Vec::new(), allow: None }
    }

    fn options(allow: &str) -> Self {
        Self { status: 200, content_type: "", body: Vec::new(), allow: Some(allow.to_owned()) }
    }
}

impl From<Problem> for ActuatorResponse {
    fn from(mut problem: Problem) -> Self {
        Self {
            status: problem.status,
            content_type: problem::PROBLEM_JSON,
            body: problem.to_json(),
            allow: problem.allow.take().map(std::borrow::Cow::into_owned),
        }
    }
}

/// Built once at start-up, shared by all threads.
#[derive(Clone)]
pub struct Actuator {
    service: &'static str,
    lifecycle: Lifecycle,
    checks: Vec<Arc<dyn HealthCheck>>,
    check_timeout: Duration,
    breakers: Vec<Arc<dyn Breaker>>,
    endpoints: Vec<(&'static str, Arc<dyn ActuatorEndpoint>)>,
    access: Access,
}

const READ_ONLY: &str = "GET, HEAD, OPTIONS";
const READ_WRITE: &str = "GET, HEAD, POST, OPTIONS";

impl Actuator {
    #[must_use]
    pub fn new(service: &'static str, lifecycle: Lifecycle) -> Self {
        Self {
            service,
            lifecycle,
            checks: Vec::new(),
            check_timeout: Duration::from_secs(2),
            breakers: Vec::new(),
            endpoints: Vec::new(),
            access: Access::new(Place::OwnPort, &ManagementSettings::default()),
        }
    }

    /// As a server's port shows it: less, where the management address is another one.
    #[must_use]
    pub fn at_server(mut self, management: &ManagementSettings, server_port: u16) -> Self {
        let place = if management.is_separate(server_port) { Place::Elsewhere } else { Place::OwnPort };
        self.access = Access::new(place, management);
        self
    }

    /// As the management address shows it.
    #[must_use]
    pub fn at_management(mut self, management: &ManagementSettings) -> Self {
        self.access = Access::new(Place::Here, management);
        self
    }

    /// Adds a component to `/actuator/health`.
    #[must_use]
    pub fn health(mut self, check: Arc<dyn HealthCheck>) -> Self {
        self.checks.push(check);
        self
    }

    /// What a check may take before its component counts as down; 2 s unless said otherwise.
    #[must_use]
    pub fn health_timeout(mut self, timeout: Duration) -> Self {
        self.check_timeout = timeout;
        self
    }

    /// Shows a circuit breaker at `/actuator/circuitbreakers`.
    #[must_use]
    pub fn breaker(mut self, breaker: Arc<dyn Breaker>) -> Self {
        self.breakers.push(breaker);
        self
    }

    /// Adds an endpoint; the name may have slashes (`gateway/routes`).
    #[must_use]
    pub fn endpoint(mut self, name: &'static str, endpoint: Arc<dyn ActuatorEndpoint>) -> Self {
        self.endpoints.push((name, endpoint));
        self
    }

    #[must_use]
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// Answers a request, with as much as its caller may see.
    pub async fn answer(&self, request: &ActuatorRequest<'_>) -> ActuatorResponse {
        let path = request.path;
        let rest = path.strip_prefix("/actuator").unwrap_or(path).trim_matches('/');
        match self.dispatch(request, rest).await {
            Ok(response) => response,
            Err(problem) => problem.instance(path).into(),
        }
    }

    async fn dispatch(&self, request: &ActuatorRequest<'_>, rest: &str) -> Result<ActuatorResponse, Problem> {
        let (method, body) = (request.method, request.body);
        let (name, tail) = rest.split_once('/').unwrap_or((rest, ""));
        let view = self.access.view(request);
        if view == View::Public && !name.is_empty() && !self.access.exposes(name) {
            return Err(Problem::not_found().detail("Not here: see management.host and management.port."));
        }
        if !matches!(method, "GET" | "HEAD" | "OPTIONS") {
            access::check_write(request)?;
        }
        match name {
            "" => reading(method, || ActuatorResponse::json(200, &self.links(request.origin, view))),
            "health" => {
                check_method(method, READ_ONLY)?;
                if method == "OPTIONS" {
                    return Ok(ActuatorResponse::options(READ_ONLY));
                }
                self.health_at(tail, view).await.ok_or_else(Problem::not_found)
            }
            "info" if tail.is_empty() => {
                reading(method, || ActuatorResponse::json(200, &info::render(self.service)))
            }
            "prometheus" if tail.is_empty() => reading(method, || ActuatorResponse {
                status: 200,
                content_type: telemetry::CONTENT_TYPE,
                body: telemetry::metrics_handle().render().into_bytes(),
                allow: None,
            }),
            "loggers" => answered_by(method, &loggers::Loggers, tail, body).await,
            "circuitbreakers" if !self.breakers.is_empty() => {
                answered_by(method, &breakers::Breakers(&self.breakers), tail, body).await
            }
            _ => self.extension(method, rest, body).await,
        }
    }

    async fn extension(&self, method: &str, rest: &str, body: &[u8]) -> Result<ActuatorResponse, Problem> {
        for (name, endpoint) in &self.endpoints {
            let Some(tail) = rest.strip_prefix(*name) else {
                continue;
            };
            if tail.is_empty() || tail.starts_with('/') {
                return answered_by(method, endpoint.as_ref(), tail.trim_start_matches('/'), body).await;
            }
        }
        Err(Problem::not_found())
    }

    /// `/actuator/health`, one of its groups, or one of its components.
    async fn health_at(&self, tail: &str, view: View) -> Option<ActuatorResponse> {
        let report = match tail {
            "" => {
                let whole = health::whole(&self.lifecycle, &self.checks, self.check_timeout).await;
                if view == View::Public { whole.summary() } else { whole }
            }
            // The process alone: a database that is down is no reason to restart this process.
            "liveness" => Health::up(),
            "readiness" => {
                let readiness = health::readiness(&self.lifecycle, &self.checks);
                if view == View::Public { readiness.summary() } else { readiness }
            }
            _ if view == View::Public => return None,
            component => {
                health::component(component, &self.lifecycle, &self.checks, self.check_timeout).await?
            }
        };
        Some(ActuatorResponse::json(report.status.http(), &report.into_json()))
    }

    fn links(&self, origin: &str, view: View) -> Json {
        let mut links = serde_json::Map::new();
        let mut link = |name: &str, path: &str, templated: bool| {
            let endpoint = path.split('/').next().unwrap_or_default();
            if view == View::Whole || endpoint.is_empty() || self.access.exposes(endpoint) {
                let separator = if path.is_empty() { "" } else { "/" };
                links.insert(
                    name.to_owned(),
                    serde_json::json!({"href": format!("{origin}/actuator{separator}{path}"), "templated": templated}),
                );
            }
        };
        link("self", "", false);
        link("health", "health", false);
        link("health-path", "health/{path}", true);
        link("info", "info", false);
        link("prometheus", "prometheus", false);
        link("loggers", "loggers", false);
        link("loggers-name", "loggers/{name}", true);
        if !self.breakers.is_empty() {
            link("circuitbreakers", "circuitbreakers", false);
            link("circuitbreakers-name", "circuitbreakers/{name}", true);
        }
        for (name, _) in &self.endpoints {
            link(&name.replace('/', "-"), name, false);
        }
        serde_json::json!({"_links": links})
    }
}

fn check_method(method: &str, allow: &'static str) -> Result<(), Problem> {
    if allow.split(", ").any(|allowed| allowed == method) {
        Ok(())
    } else {
        Err(Problem::method_not_allowed(allow))
    }
}

fn reading(method: &str, render: impl FnOnce() -> ActuatorResponse) -> Result<ActuatorResponse, Problem> {
    check_method(method, READ_ONLY)?;
    Ok(if method == "OPTIONS" { ActuatorResponse::options(READ_ONLY) } else { render() })
}

async fn answered_by(
    method: &str,
    endpoint: &dyn ActuatorEndpoint,
    rest: &str,
    body: &[u8],
) -> Result<ActuatorResponse, Problem> {
    check_method(method, READ_WRITE)?;
    match method {
        "OPTIONS" => Ok(ActuatorResponse::options(READ_WRITE)),
        "POST" => Ok(endpoint
            .post(rest, body)
            .await?
            .map_or_else(ActuatorResponse::no_content, |json| ActuatorResponse::json(200, &json))),
        _ => endpoint
            .get(rest)
            .await
            .map(|json| ActuatorResponse::json(200, &json))
            .ok_or_else(Problem::not_found),
    }
}

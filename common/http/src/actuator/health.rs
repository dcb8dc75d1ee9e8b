//! `/actuator/health`: the process and what it depends on.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::{Map, json};

use super::endpoint::Json;
use crate::lifecycle::Lifecycle;

/// Worse ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Up,
    OutOfService,
    Down,
}

impl Status {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::OutOfService => "OUT_OF_SERVICE",
            Self::Down => "DOWN",
        }
    }

    pub(super) fn http(self) -> u16 {
        match self {
            Self::Up => 200,
            Self::OutOfService | Self::Down => 503,
        }
    }
}

/// The state of one component, or of all.
#[derive(Clone, Debug)]
pub struct Health {
    pub status: Status,
    pub details: Map<String, Json>,
    components: Option<Map<String, Json>>,
    groups: bool,
}

impl Health {
    fn new(status: Status) -> Self {
        Self { status, details: Map::new(), components: None, groups: false }
    }

    #[must_use]
    pub fn up() -> Self {
        Self::new(Status::Up)
    }

    #[must_use]
    pub fn down(detail: impl Into<String>) -> Self {
        Self::new(Status::Down).with("error", detail.into())
    }

    #[must_use]
    pub fn out_of_service() -> Self {
        Self::new(Status::OutOfService)
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Without what it consists of.
    pub(super) fn summary(self) -> Self {
        Self { details: Map::new(), components: None, ..self }
    }

    pub(super) fn into_json(self) -> Json {
        let mut json = Map::new();
        json.insert("status".to_owned(), self.status.as_str().into());
        if !self.details.is_empty() {
            json.insert("details".to_owned(), self.details.into());
        }
        if let Some(components) = self.components {
            json.insert("components".to_owned(), components.into());
        }
        if self.groups {
            json.insert("groups".to_owned(), json!(["liveness", "readiness"]));
        }
        json.into()
    }
}

/// Something that the process needs: a database, the event log.
#[async_trait]
pub trait HealthCheck: Send + Sync {
    /// `db`, `kafka`: the component's name.
    fn name(&self) -> &'static str;

    /// Is given up after the actuator's timeout, so it may simply wait.
    async fn check(&self) -> Health;

    /// Why nobody should send requests to this process: it is not ready then. For what does not heal by itself, and for what
    /// has to be known once before the first request; must not wait.
    fn stopped(&self) -> Option<String> {
        None
    }
}

/// All components, asked at the same time; the worst one is the state of all.
pub(super) async fn whole(
    lifecycle: &Lifecycle,
    checks: &[Arc<dyn HealthCheck>],
    timeout: Duration,
) -> Health {
    let mut health = Health::up();
    let mut components = Map::new();
    let mut add = |name: &str, component: Health| {
        health.status = health.status.max(component.status);
        components.insert(name.to_owned(), component.into_json());
    };
    let reports = join_all(checks.iter().map(|check| bounded(check.as_ref(), timeout))).await;
    for (check, report) in checks.iter().zip(reports) {
        add(check.name(), report);
    }
    add("livenessState", Health::up());
    add("readinessState", readiness(lifecycle, checks));
    health.components = Some(components);
    health.groups = true;
    health
}

/// One component; `None` when there is none of this name.
pub(super) async fn component(
    name: &str,
    lifecycle: &Lifecycle,
    checks: &[Arc<dyn HealthCheck>],
    timeout: Duration,
) -> Option<Health> {
    match name {
        "livenessState" => Some(Health::up()),
        "readinessState" => Some(readiness(lifecycle, checks)),
        _ => {
            let check = checks.iter().find(|check| check.name() == name)?;
            Some(bounded(check.as_ref(), timeout).await)
        }
    }
}

pub(super) fn readiness(lifecycle: &Lifecycle, checks: &[Arc<dyn HealthCheck>]) -> Health {
    if !lifecycle.ready() {
        return Health::out_of_service();
    }
    checks.iter().find_map(|check| check.stopped()).map_or_else(Health::up, Health::down)
}

async fn bounded(check: &dyn HealthCheck, timeout: Duration) -> Health {
    match tokio::time::timeout(timeout, check.check()).await {
        Ok(health) => health,
        Err(_) => Health::down(format!("no answer within {} ms", timeout.as_millis())),
    }
}

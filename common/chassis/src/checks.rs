//! The components of `/actuator/health`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_common::{Health, HealthCheck};
use messaging::{ConsumerStatus, EventLog, HeldBack, RelayStatus};
use storage::{Database, Dialect};

use crate::topic_watch::TopicWatch;

/// A consumer that stands still for less than this is only waiting out a hiccup.
const STALLED_AFTER: Duration = Duration::from_secs(10);
/// A small change in a table that every service has.
const PROBE: &[&str] = &["INSERT INTO lease (name, holder, beat) VALUES ('health', '', 1) \
     ON CONFLICT (name) DO UPDATE SET beat = lease.beat + 1"];

pub(crate) struct DatabaseHealth(Database);

impl DatabaseHealth {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }
}

#[async_trait]
impl HealthCheck for DatabaseHealth {
    fn name(&self) -> &'static str {
        "db"
    }

    async fn check(&self) -> Health {
        let product = match self.0.dialect() {
            Dialect::Sqlite => "SQLite",
            Dialect::Postgres => "PostgreSQL",
        };
        match self.0.check(PROBE).await {
            Ok(()) => Health::up(),
            Err(why) => Health::down(why),
        }
        .with("database", product)
    }
}

pub(crate) struct EventLogHealth {
    log: Arc<dyn EventLog>,
    topic: TopicWatch,
    consumer: ConsumerStatus,
}

impl EventLogHealth {
    pub(crate) fn new(log: Arc<dyn EventLog>, topic: TopicWatch, consumer: ConsumerStatus) -> Self {
        Self { log, topic, consumer }
    }
}

#[async_trait]
impl HealthCheck for EventLogHealth {
    fn name(&self) -> &'static str {
        "kafka"
    }

    async fn check(&self) -> Health {
        let health = match self.log.ping().await {
            Ok(()) => Health::up(),
            Err(error) => Health::down(crate::error_chain(&error)),
        };
        // It works, and an operator should know.
        let warnings = [self.topic.dangers(), self.consumer.warnings()].concat();
        if warnings.is_empty() { health } else { health.with("warnings", warnings) }
    }
}

/// Whether facts are told.
pub(crate) struct OutboxHealth(RelayStatus);

impl OutboxHealth {
    pub(crate) fn new(status: RelayStatus) -> Self {
        Self(status)
    }
}

#[async_trait]
impl HealthCheck for OutboxHealth {
    fn name(&self) -> &'static str {
        "outbox"
    }

    async fn check(&self) -> Health {
        let health = match (self.0.failing(), self.0.held()) {
            (Some((since, why)), _) => Health::down(why).with("failingSeconds", since.as_secs()),
            (None, Some(HeldBack { why, .. })) => Health::down(why),
            (None, None) => Health::up(),
        };
        match self.0.held() {
            Some(held) => health.with("heldRecords", held.records),
            None => health,
        }
    }
}

pub(crate) struct ConsumerHealth(ConsumerStatus);

impl ConsumerHealth {
    pub(crate) fn new(status: ConsumerStatus) -> Self {
        Self(status)
    }
}

#[async_trait]
impl HealthCheck for ConsumerHealth {
    fn name(&self) -> &'static str {
        "consumer"
    }

    async fn check(&self) -> Health {
        if let Some(why) = self.0.stopped() {
            return Health::down(why);
        }
        match self.0.stalled() {
            Some((since, why)) if since >= STALLED_AFTER => {
                Health::down(why).with("stalledSeconds", since.as_secs())
            }
            _ => Health::up(),
        }
    }
    fn stopped(&self) -> Option<String> {
        self.0.stopped()
    }
}

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
    consumers: Vec<Consumed>,
}

impl EventLogHealth {
    pub(crate) fn new(log: Arc<dyn EventLog>, topic: TopicWatch, consumers: Vec<Consumed>) -> Self {
        Self { log, topic, consumers }
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
        let mut warnings = self.topic.dangers();
        warnings.extend(self.consumers.iter().flat_map(|consumed| consumed.status.warnings()));
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

/// A topic that the service reads.
#[derive(Clone)]
pub(crate) struct Consumed {
    pub(crate) topic: String,
    pub(crate) status: ConsumerStatus,
}

/// The consumers of all topics that the service reads: the worst one counts, and its topic is named.
pub(crate) struct ConsumerHealth(Vec<Consumed>);

impl ConsumerHealth {
    pub(crate) fn new(consumers: Vec<Consumed>) -> Self {
        Self(consumers)
    }
}

#[async_trait]
impl HealthCheck for ConsumerHealth {
    fn name(&self) -> &'static str {
        "consumer"
    }

    async fn check(&self) -> Health {
        for Consumed { topic, status } in &self.0 {
            if let Some(why) = status.stopped() {
                return Health::down(why).with("topic", topic.as_str());
            }
        }
        for Consumed { topic, status } in &self.0 {
            if let Some((since, why)) = status.stalled().filter(|(since, _)| *since >= STALLED_AFTER) {
                let down = Health::down(why).with("stalledSeconds", since.as_secs());
                return down.with("topic", topic.as_str());
            }
        }
        Health::up()
    }

    fn stopped(&self) -> Option<String> {
        self.0.iter().find_map(|consumed| consumed.status.stopped())
    }
}

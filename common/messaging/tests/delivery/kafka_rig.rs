//! The service in miniature, on a real Kafka.

use std::io::Write;
use std::sync::Arc;

use messaging::{Consumer, ConsumerStatus, EventLog, EventLogSettings, KafkaSettings, open};

use crate::handler::CAUSED;
use crate::rig::{Rig, Running};

/// A topic of one test; `None`, and it is said, where no Kafka is given.
pub(crate) fn settings() -> Option<EventLogSettings> {
    let brokers = std::env::var("TEST_KAFKA_BROKERS").unwrap_or_default();
    if brokers.is_empty() {
        // Not by a macro: the test harness would keep it to itself.
        let said = writeln!(
            std::io::stderr(),
            "*** delivery: Kafka is NOT covered, TEST_KAFKA_BROKERS is not set ***"
        );
        said.unwrap();
        return None;
    }
    Some(EventLogSettings {
        url: format!("kafka://{brokers}"),
        topic: format!("delivery-{}", uuid::Uuid::new_v4()),
        partitions: 4,
        delivery_timeout_ms: 20_000,
        ..EventLogSettings::default()
    })
}

pub(crate) async fn log(settings: &EventLogSettings) -> Arc<dyn EventLog> {
    let log = open(settings, &KafkaSettings::default()).await.unwrap();
    for topic in [&settings.topic, CAUSED] {
        log.ensure_topic(topic).await.unwrap();
    }
    log
}

pub(crate) async fn replica(rig: &Rig, settings: &EventLogSettings) -> Running {
    consume(rig, settings).await.0
}

pub(crate) async fn consume(rig: &Rig, settings: &EventLogSettings) -> (Running, ConsumerStatus) {
    let status = ConsumerStatus::default();
    let consumer = Consumer {
        group: Box::leak(settings.topic.clone().into_boxed_str()),
        topic: settings.topic.clone(),
        outbox: rig.replica().await.1,
        log: log(settings).await,
        handler: rig.handler.clone(),
        settings: rig.settings.clone(),
        status: status.clone(),
    };
    (Running::spawn(|stop| consumer.run(stop)), status)
}

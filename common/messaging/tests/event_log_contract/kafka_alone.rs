//! What is Kafka's alone: brokers that are away, for which none is needed, and what its tools see of a group.

use std::time::{Duration, Instant};

use messaging::kafka::KafkaLog;
use messaging::{EventLog, EventLogError, EventLogSettings, KafkaSettings, Polled, PublishError, Record};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::rig::{self, PATIENCE};

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

fn log(properties: &[(&str, &str)]) -> Result<KafkaLog, EventLogError> {
    let event_log = EventLogSettings { delivery_timeout_ms: 500, ..EventLogSettings::default() };
    let mut kafka = KafkaSettings::default();
    for (name, value) in properties {
        kafka.properties.insert((*name).to_owned(), (*value).to_owned());
    }
    KafkaLog::new(NOWHERE, &event_log, &kafka)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_are_away_cost_time_but_no_more() {
    let log = log(&[]).unwrap();
    let record = |key: &str| Record {
        topic: "prereservation".to_owned(),
        key: Some(key.to_owned()),
        payload: b"{}".to_vec(),
        headers: Vec::new(),
        timestamp_ms: 0,
    };
    let start = Instant::now();
    let results = log.publish(&[record("1"), record("2"), record("1")]).await;
    assert!(matches!(results[0], Err(PublishError::Unacknowledged(_))), "{results:?}");
    assert!(matches!(results[1], Err(PublishError::Unacknowledged(_))), "{results:?}");
    assert!(results[2].as_ref().is_err_and(PublishError::is_transient), "{results:?}");

    let mut subscription = log.subscribe("prereservation", "group").await.unwrap();
    for _ in 0..3 {
        let polled = subscription.poll(10, Duration::from_millis(100)).await.unwrap();
        assert_eq!(polled, Polled::Records(Vec::new()));
    }
    assert_eq!(subscription.lag().await.unwrap(), []);
    let pinged = log.ping().await;
    assert!(pinged.as_ref().is_err_and(EventLogError::is_transient), "{pinged:?}");
    drop(subscription);
    log.flush_and_close().await;
    drop(log);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_property_that_librdkafka_does_not_know_is_refused() {
    let refused = log(&[("no.such.property", "1")]);
    assert!(matches!(refused, Err(EventLogError::Refused { .. })));
}

/// Not only when the subscriber leaves: lag by `kafka-consumer-groups` is that of the group as it reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_reads_tells_the_broker_how_far_it_is() {
    let Some(rig) = rig::kafka() else { return };
    let leftovers = rig.leftovers();
    let log = rig.log().await;
    let record = rig.record("key", 1);
    rig.publish(log.as_ref(), &[record.clone(), record]).await;
    let mut subscriber = rig.subscriber(log.as_ref(), "group").await;
    let records = subscriber.records(2).await;
    let (partition, next_offset) = (records[1].partition, records[1].offset + 1);
    subscriber.subscription.commit(partition, next_offset).await.unwrap();

    let told = || {
        let tools: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", std::env::var("TEST_KAFKA_BROKERS").unwrap())
            .set("group.id", "group")
            .create()
            .unwrap();
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&rig.topic, partition);
        let told = tools.committed_offsets(asked, PATIENCE).unwrap();
        told.find_partition(&rig.topic, partition).unwrap().offset()
    };
    let start = Instant::now();
    while told() != Offset::Offset(next_offset) {
        assert!(start.elapsed() < PATIENCE, "the broker knows nothing of it");
        subscriber.nothing().await;
    }
    drop(subscriber);
    log.flush_and_close().await;
    leftovers.delete().await;
}

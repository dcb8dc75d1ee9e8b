//! What is Kafka's alone: brokers that are away. No broker is needed for it.

use std::time::{Duration, Instant};

use messaging::kafka::KafkaLog;
use messaging::{EventLog, EventLogError, EventLogSettings, KafkaSettings, Polled, PublishError, Record};

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

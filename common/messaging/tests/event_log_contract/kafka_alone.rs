//! What is Kafka's alone: brokers that are away, for which none is needed, and what its tools see of a group.

use std::time::{Duration, Instant};

use messaging::kafka::KafkaLog;
use messaging::{
    EventLog, EventLogError, EventLogSettings, KafkaSettings, Polled, PublishError, Record, RefusalScope,
};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::rig::{self, PATIENCE};
use crate::tails::Following;

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

fn log(properties: &[(&str, &str)]) -> Result<KafkaLog, EventLogError> {
    let event_log = EventLogSettings { delivery_timeout_ms: 500, ..EventLogSettings::default() };
    let mut kafka = KafkaSettings::default();
    for (name, value) in properties {
        kafka.properties.insert((*name).to_owned(), (*value).into());
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

/// A topic with settings of somebody else's.
pub(crate) async fn existing_topic(topic: &str, settings: &[(&str, &str)]) {
    let mut new = NewTopic::new(topic, 3, TopicReplication::Fixed(1));
    for (name, value) in settings {
        new = new.set(name, value);
    }
    for result in admin().create_topics([&new], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
}

pub(crate) async fn delete_topic(topic: &str) {
    for result in admin().delete_topics(&[topic], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
}

fn admin() -> AdminClient<DefaultClientContext> {
    let brokers = std::env::var("TEST_KAFKA_BROKERS").unwrap();
    ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap()
}

fn refusal(result: &Result<(), PublishError>) -> Option<(&str, RefusalScope)> {
    match result {
        Err(PublishError::Refused(refusal)) => Some((&refusal.code, refusal.scope)),
        _ => None,
    }
}

/// The cluster of this test knows no request that creates topics, as one that does not allow it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_there_needs_no_right_to_create_it() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("prereservation", 3, 1).unwrap();
    let log =
        KafkaLog::new(&cluster.bootstrap_servers(), &EventLogSettings::default(), &KafkaSettings::default());
    let log = log.unwrap();
    log.ensure_topic("prereservation").await.unwrap();
    let missing = log.ensure_topic("not-there").await;
    assert!(missing.is_err(), "nobody created it");
}

/// Together they are more than the topic takes, each alone is not, except for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_too_large_is_published_one_by_one_and_who_is_too_large_waits() {
    let Some(rig) = rig::kafka() else { return };
    let leftovers = rig.leftovers();
    existing_topic(&rig.topic, &[("max.message.bytes", "20000")]).await;
    let log = rig.log().await;
    let mut records: Vec<Record> = (0..300).map(|n| rig.record(&format!("key {}", n % 50), n)).collect();
    for record in &mut records {
        record.headers.push(("padding".to_owned(), vec![b' '; 500]));
    }
    records[107].headers[0].1 = vec![b' '; 30_000];
    let results = log.publish(&records).await;
    assert_eq!(
        refusal(&results[107]),
        Some(("MessageSizeTooLarge", RefusalScope::Record)),
        "{:?}",
        results[107]
    );
    for (n, result) in results.iter().enumerate() {
        match n {
            107 => {}
            _ if n % 50 == 7 && n > 107 => {
                assert!(matches!(result, Err(PublishError::Predecessor)), "{result:?}")
            }
            _ => assert!(result.is_ok(), "{n}: {result:?}"),
        }
    }
    let mut subscriber = rig.subscriber(&*log, "group").await;
    let received = subscriber.records(296).await;
    rig::assert_order_per_key(&received);
    leftovers.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_ahead_is_no_reason_to_refuse() {
    let Some(rig) = rig::kafka() else { return };
    let leftovers = rig.leftovers();
    // As a topic is that somebody else made: a time of more than an hour ahead is refused.
    existing_topic(&rig.topic, &[]).await;
    let log = rig.log().await;
    let now = storage::now_ms();
    let mut records: Vec<Record> = (0..20).map(|n| rig.record("key", n)).collect();
    records.iter_mut().for_each(|record| record.timestamp_ms = now + 2 * 3_600_000);
    rig.publish(&*log, &records).await;
    let mut subscriber = rig.subscriber(&*log, "group").await;
    for received in subscriber.records(20).await {
        let stamped = received.record.timestamp_ms;
        assert!((now..now + 600_000).contains(&stamped), "{stamped} is not {now}");
    }
    leftovers.delete().await;
}

/// Such as a dead-letter topic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_gone_or_compacted_refuses_what_is_its_own_and_nothing_else() {
    let Some(rig) = rig::kafka() else { return };
    let leftovers = rig.leftovers();
    let log = rig.log().await;
    let compacted = format!("{}.compacted", rig.topic);
    let gone = format!("{}.gone", rig.topic);
    existing_topic(&compacted, &[("cleanup.policy", "compact")]).await;
    existing_topic(&gone, &[]).await;
    let to = |topic: &str, key: Option<&str>| Record {
        topic: topic.to_owned(),
        key: key.map(str::to_owned),
        ..rig.record("", 1)
    };
    rig.publish(&*log, &[to(&gone, Some("a")), to(&compacted, Some("a"))]).await;
    delete_topic(&gone).await;
    let mixed = [
        rig.record("a", 1),
        to(&gone, Some("a")),
        to(&compacted, None),
        to(&compacted, Some("b")),
        rig.record("a", 2),
        to(&gone, Some("c")),
        rig.record("b", 3),
    ];
    let start = Instant::now();
    // The deletion takes a moment to be known everywhere.
    let mut results = log.publish(&mixed).await;
    while results[1].is_ok() || results[5].is_ok() {
        assert!(start.elapsed() < PATIENCE, "{results:?}");
        results = log.publish(&mixed).await;
    }
    for n in [0, 3, 4, 6] {
        assert!(results[n].is_ok(), "{n}: {results:?}");
    }
    for n in [1, 5] {
        let (code, scope) = refusal(&results[n]).unwrap();
        assert!(code.contains("UnknownTopic"), "{results:?}");
        assert_eq!(scope, RefusalScope::Topic);
    }
    assert_eq!(refusal(&results[2]), Some(("InvalidRecord", RefusalScope::Record)), "{results:?}");
    delete_topic(&compacted).await;
    leftovers.delete().await;
}

/// Others may write in transactions; their markers have offsets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_markers_of_transactions_are_no_lag() {
    let Some(rig) = rig::kafka() else { return };
    let leftovers = rig.leftovers();
    let log = rig.log().await;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", std::env::var("TEST_KAFKA_BROKERS").unwrap())
        .set("transactional.id", &rig.topic)
        .create()
        .unwrap();
    tokio::task::block_in_place(|| {
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        assert!(producer.send(BaseRecord::to(&rig.topic).partition(0).key("key").payload("0")).is_ok());
        producer.commit_transaction(PATIENCE).unwrap();
    });
    let mut subscriber = rig.subscriber(log.as_ref(), "group").await;
    let records = subscriber.records(1).await;
    subscriber.subscription.commit(0, records[0].offset + 1).await.unwrap();
    let start = Instant::now();
    while subscriber.subscription.lag().await.unwrap() != [(0, 0), (1, 0), (2, 0)] {
        assert!(start.elapsed() < PATIENCE, "{:?}", subscriber.subscription.lag().await);
        subscriber.nothing().await;
    }
    rig.publish_numbers(log.as_ref(), 1, 2).await;
    subscriber.records(1).await;
    let lag: i64 = subscriber.subscription.lag().await.unwrap().iter().map(|(_, lag)| lag).sum();
    assert_eq!(lag, 1);
    drop(subscriber);
    log.flush_and_close().await;
    leftovers.delete().await;
}

/// Keys move to other partitions, and their records are followed there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_are_added_are_followed() {
    let Some(rig) = rig::kafka() else { return };
    let leftovers = rig.leftovers();
    let log = rig.log().await;
    let following = Following::start(&rig, log.clone(), Duration::from_secs(900));
    following.until("caught up", |following| following.status.has_caught_up()).await;
    let brokers = std::env::var("TEST_KAFKA_BROKERS").unwrap();
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let more = NewPartitions::new(&rig.topic, 12);
    admin.create_partitions([&more], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    // By another client: this one may not know of them yet.
    let writer = rig.log().await;
    let now = |n: usize| Record { timestamp_ms: storage::now_ms(), ..rig.record(&format!("key {n}"), n) };
    rig.publish(writer.as_ref(), &(0..100).map(now).collect::<Vec<_>>()).await;
    following.until("all", |following| (0..100).all(|n| following.has(n))).await;
    drop(following);
    for log in [log, writer] {
        log.flush_and_close().await;
    }
    leftovers.delete().await;
}

/// Somebody else made the topic, or changed it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_under_which_facts_do_not_last_are_named() {
    let Some(rig) = rig::kafka() else { return };
    let leftovers = rig.leftovers();
    let log = rig.log().await;
    assert_eq!(log.dangers(&rig.topic).await.unwrap(), Vec::<String>::new());
    for (settings, said) in [
        (vec![("cleanup.policy", "compact")], "cleanup.policy=compact"),
        (vec![("retention.ms", "60000")], "retention.ms=60000"),
        (vec![("retention.ms", "-1"), ("retention.bytes", "1000")], "retention.bytes=1000"),
    ] {
        let topic = format!("{}.{}", rig.topic, uuid::Uuid::new_v4());
        existing_topic(&topic, &settings).await;
        let start = Instant::now();
        // A new topic is not known everywhere at once.
        let dangers = loop {
            match log.dangers(&topic).await {
                Ok(dangers) => break dangers,
                Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
            }
        };
        assert_eq!(dangers.len(), 1, "{settings:?}: {dangers:?}");
        assert!(dangers[0].starts_with(said), "{dangers:?}");
        delete_topic(&topic).await;
    }
    log.flush_and_close().await;
    leftovers.delete().await;
}

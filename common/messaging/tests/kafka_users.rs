//! Each service has a user of its own at Kafka, with the rights of `kubernetes/infrastructure/kafka/acls.sh` and no others.
//! On the listener with users of `infra/up`: `TEST_KAFKA_USERS_BROKERS`.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use messaging::kafka::KafkaLog;
use messaging::{EventLog, EventLogSettings, KafkaSettings, Record};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(60);

fn client(brokers: &str, user: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("security.protocol", "sasl_plaintext")
        .set("sasl.mechanism", "PLAIN")
        .set("sasl.username", user)
        .set("sasl.password", user);
    config
}

async fn write(brokers: &str, user: &str, topic: &str) -> Result<(), RDKafkaErrorCode> {
    let producer: FutureProducer = client(brokers, user).set("message.timeout.ms", "30000").create().unwrap();
    let record = FutureRecord::to(topic).key("1").payload(user);
    match producer.send(record, PATIENCE).await {
        Ok(_) => Ok(()),
        Err((error, _)) => Err(error.rdkafka_error_code().unwrap()),
    }
}

/// The first record of the group, or why there is none.
async fn read(brokers: &str, user: &str, topic: &str, group: &str) -> Result<String, RDKafkaErrorCode> {
    let mut config = client(brokers, user);
    config.set("group.id", group).set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    let (topic, group) = (topic.to_owned(), group.to_owned());
    let what = format!("{user} reads {topic} as {group}");
    let read = move || {
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[&topic]).unwrap();
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < PATIENCE, "neither a record nor an error: {what}");
            match consumer.poll(Duration::from_millis(200)) {
                None => {}
                Some(Ok(message)) => {
                    // A service asks who else is in its group.
                    let groups = consumer.fetch_group_list(Some(&group), PATIENCE).unwrap();
                    let members: usize = groups.groups().iter().map(|group| group.members().len()).sum();
                    assert_eq!(members, 1, "{what}");
                    return Ok(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
                }
                // The broker is not through with a topic that is new.
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition))) => {}
                Some(Err(error)) => return Err(error.rdkafka_error_code().unwrap()),
            }
        }
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

/// The first record of a topic that is read in no group, or why there is none.
async fn follow(brokers: &str, user: &str, topic: &str) -> Result<String, RDKafkaErrorCode> {
    let mut config = client(brokers, user);
    // The library wants a name. Nobody is in this group.
    config.set("group.id", "none").set("enable.auto.commit", "false");
    let (topic, what) = (topic.to_owned(), format!("{user} follows {topic}"));
    let read = move || {
        let consumer: BaseConsumer = config.create().unwrap();
        let mut partitions = TopicPartitionList::new();
        for partition in 0..EventLogSettings::default().partitions {
            partitions.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
        }
        // Who may not read a topic may not see that it is there.
        let metadata = consumer.fetch_metadata(Some(&topic), PATIENCE).unwrap();
        if let Some(error) = metadata.topics()[0].error() {
            return Err(error.into());
        }
        consumer.assign(&partitions).unwrap();
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < PATIENCE, "neither a record nor an error: {what}");
            match consumer.poll(Duration::from_millis(200)) {
                None => {}
                Some(Ok(message)) => {
                    return Ok(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
                }
                // The library asks for a group all the same, and has no right to one.
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::GroupAuthorizationFailed,
                ))) => {}
                Some(Err(error)) => return Err(error.rdkafka_error_code().unwrap()),
            }
        }
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

/// As the service does it: it makes the topic and tells a fact.
async fn tell_as_a_service(brokers: &str, user: &str, topic: &str) {
    let mut kafka = KafkaSettings::default();
    for (name, value) in [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", user),
        ("sasl.password", user),
    ] {
        kafka.properties.insert(name.to_owned(), value.into());
    }
    let settings = EventLogSettings { delivery_timeout_ms: 30_000, ..EventLogSettings::default() };
    let log = KafkaLog::new(brokers, &settings, &kafka).unwrap();
    log.ensure_topic(topic).await.unwrap();
    let record = Record {
        topic: topic.to_owned(),
        key: Some("1".to_owned()),
        payload: b"a fact".to_vec(),
        headers: Vec::new(),
        timestamp_ms: 0,
    };
    let results = log.publish(&[record]).await;
    assert!(results.iter().all(Result::is_ok), "{user}: {results:?}");
    log.flush_and_close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_right_is_refused_by_the_broker() {
    let Ok(brokers) = std::env::var("TEST_KAFKA_USERS_BROKERS") else {
        eprintln!("not run: users of Kafka (TEST_KAFKA_USERS_BROKERS is not set; infra/up)");
        return;
    };
    eprintln!("back ends: Kafka with users");
    // Of its own, with the rights that a deployment's topic has. ACLs are given out by who may do everything.
    let topic = format!("users-{}", std::process::id());
    let account = format!("{topic}-account");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let given = Command::new(root.join("kubernetes/infrastructure/kafka/acls.sh"))
        .arg(std::env::var("TEST_KAFKA_BROKERS").unwrap())
        .env("KAFKA_ACLS", root.join("infra/kafka-acls"))
        .env("TOPIC", &topic)
        .env("ACCOUNT_TOPIC", &account)
        .status()
        .unwrap();
    assert!(given.success());

    tell_as_a_service(&brokers, "prereservation", &topic).await;
    tell_as_a_service(&brokers, "payment", &topic).await;
    tell_as_a_service(&brokers, "receipt", &topic).await;
    for user in ["payment", "receipt", "myreservation"] {
        let letters = format!("{topic}.{user}.dlt");
        tell_as_a_service(&brokers, user, &letters).await;
        assert_eq!(read(&brokers, user, &topic, user).await.unwrap(), "a fact");
    }
    tell_as_a_service(&brokers, "account", &account).await;
    for user in ["prereservation", "payment", "receipt", "myreservation", "account"] {
        assert_eq!(follow(&brokers, user, &account).await.unwrap(), "a fact");
    }

    let letters = format!("{topic}.payment.dlt");
    let (no_topic, no_group) =
        (Err(RDKafkaErrorCode::TopicAuthorizationFailed), RDKafkaErrorCode::GroupAuthorizationFailed);
    // Who shows, tells nothing; who tells, reads nothing; nobody writes or reads in another's place.
    assert_eq!(write(&brokers, "myreservation", &topic).await, no_topic);
    assert_eq!(write(&brokers, "receipt", &letters).await, no_topic);
    assert_eq!(write(&brokers, "stranger", &topic).await, no_topic);
    // Bans are account's to tell, and nothing else is.
    assert_eq!(write(&brokers, "prereservation", &account).await, no_topic);
    assert_eq!(write(&brokers, "receipt", &account).await, no_topic);
    assert_eq!(write(&brokers, "account", &topic).await, no_topic);
    assert_eq!(read(&brokers, "receipt", &topic, "payment").await, Err(no_group));
    assert_eq!(read(&brokers, "prereservation", &topic, "payment").await, Err(no_group));
    assert_eq!(read(&brokers, "stranger", &topic, "stranger").await, Err(no_group));
    let no_topic = Err(RDKafkaErrorCode::TopicAuthorizationFailed);
    assert_eq!(follow(&brokers, "stranger", &account).await, no_topic);
    assert_eq!(follow(&brokers, "account", &topic).await, no_topic);
}

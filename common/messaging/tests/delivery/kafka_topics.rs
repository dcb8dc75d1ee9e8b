//! What operators and others do to a topic while services read it, on a real Kafka.

use std::time::Duration;

use messaging::{ConsumerStatus, EventLog, EventLogSettings, Outbox, Record, Relay, begin_anew};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use testkit::{TestDatabase, eventually, record};

use crate::handler::Fault;
use crate::kafka_rig::{consume, log, replica, settings};
use crate::rig::{Rig, Running};

/// For a group to gather, a topic to go and come, a reader to look at its log.
const PATIENCE: Duration = Duration::from_secs(90);
const TIMEOUT: Duration = Duration::from_secs(30);

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", std::env::var("TEST_KAFKA_BROKERS").unwrap());
    config
}

fn admin() -> AdminClient<DefaultClientContext> {
    client().create().unwrap()
}

async fn publish(log: &dyn EventLog, topic: &str, numbers: std::ops::Range<usize>) {
    let records: Vec<Record> = numbers.map(|n| record(topic, n, n)).collect();
    for result in log.publish(&records).await {
        result.unwrap();
    }
}

async fn delete_topic(topic: &str) {
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    admin().delete_topics(&[topic], &options).await.unwrap();
    eventually("the topic is gone", PATIENCE, async || {
        let metadata = admin().inner().fetch_metadata(None, TIMEOUT).unwrap();
        metadata.topics().iter().all(|found| found.name() != topic)
    })
    .await;
}

/// Deletes everything that is there.
async fn delete_records(topic: &str, partitions: i32) {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::End).unwrap();
    }
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let deleted = admin().delete_records(&list, &options).await.unwrap();
    for element in deleted.elements() {
        element.error().unwrap();
    }
}

async fn stops(status: &ConsumerStatus, because: &str) {
    eventually(because, PATIENCE, async || status.stopped().is_some_and(|why| why.contains(because))).await;
}

/// How many different payloads took effect.
async fn different(rig: &Rig) -> usize {
    rig.effects().await.into_iter().collect::<std::collections::BTreeSet<_>>().len()
}

async fn effects_come(rig: &Rig, count: usize) {
    eventually("the effects come", PATIENCE, async || rig.effects().await.len() >= count).await;
}

async fn rig_and_settings(db: TestDatabase) -> Option<(Rig, EventLogSettings)> {
    let settings = settings()?;
    Some((Rig::new(db).await, settings))
}

testkit::for_each_backend! {
    /// The new topic outgrows the old positions; before there were marks, reading went on there.
    async fn a_topic_that_is_recreated_is_not_read_until_an_operator_begins_anew(db: TestDatabase) {
        let Some((rig, settings)) = rig_and_settings(db).await else { return };
        let topic = &settings.topic;
        let publisher = log(&settings).await;
        publish(publisher.as_ref(), topic, 0..40).await;
        let (consumer, status) = consume(&rig, &settings).await;
        effects_come(&rig, 40).await;

        delete_topic(topic).await;
        let publisher = log(&settings).await;
        publish(publisher.as_ref(), topic, 1000..1200).await;
        stops(&status, "").await;
        consumer.stop().await;
        // After a restart, too.
        let (consumer, status) = consume(&rig, &settings).await;
        stops(&status, "is not the one that was read").await;

        let done = begin_anew(&rig.database, publisher.as_ref(), topic, false).await.unwrap();
        assert_eq!(done.iter().filter(|done| done.begins_at == Some(0)).count(), 4, "{done:?}");
        eventually("all of the new topic is read", PATIENCE, async || different(&rig).await == 240).await;
        eventually("the stop is lifted", PATIENCE, async || status.stopped().is_none()).await;
        consumer.stop().await;
        let again = begin_anew(&rig.database, publisher.as_ref(), topic, false).await.unwrap();
        assert!(again.iter().all(|done| done.begins_at.is_none()), "{again:?}");
        delete_topic(topic).await;
    }

    async fn records_that_are_deleted_before_they_are_read_are_missed(db: TestDatabase) {
        let Some((rig, settings)) = rig_and_settings(db).await else { return };
        let topic = &settings.topic;
        let publisher = log(&settings).await;
        publish(publisher.as_ref(), topic, 0..40).await;
        let (consumer, _) = consume(&rig, &settings).await;
        effects_come(&rig, 40).await;
        consumer.stop().await;

        publish(publisher.as_ref(), topic, 40..80).await;
        delete_records(topic, settings.partitions).await;
        let (consumer, status) = consume(&rig, &settings).await;
        stops(&status, "were deleted before they were read").await;
        assert_eq!(rig.effects().await.len(), 40);

        begin_anew(&rig.database, publisher.as_ref(), topic, false).await.unwrap();
        publish(publisher.as_ref(), topic, 80..120).await;
        effects_come(&rig, 80).await;
        eventually("the stop is lifted", PATIENCE, async || status.stopped().is_none()).await;
        consumer.stop().await;
        assert_eq!(different(&rig).await, 80);
        delete_topic(topic).await;
    }

    /// Their markers have offsets and are no records; aborted records are nobody's facts.
    async fn transactions_of_others_are_neither_losses_nor_lag(db: TestDatabase) {
        let Some((rig, settings)) = rig_and_settings(db).await else { return };
        let topic = &settings.topic;
        let _created = log(&settings).await;
        let id = uuid::Uuid::new_v4().to_string();
        let producer: BaseProducer = client().set("transactional.id", id).create().unwrap();
        let transaction = |numbers: std::ops::Range<usize>, commit: bool| -> Result<(), KafkaError> {
            producer.begin_transaction()?;
            for n in numbers {
                let (key, payload) = ("0", n.to_string());
                producer
                    .send(BaseRecord::to(topic).partition(0).key(key).payload(&payload))
                    .map_err(|(error, _)| error)?;
            }
            producer.flush(TIMEOUT)?;
            if commit { producer.commit_transaction(TIMEOUT) } else { producer.abort_transaction(TIMEOUT) }
        };
        tokio::task::block_in_place(|| -> Result<(), KafkaError> {
            producer.init_transactions(TIMEOUT)?;
            transaction(0..3, true)?;
            transaction(100..103, false)?;
            transaction(3..6, true)
        })
        .unwrap();
        let (consumer, status) = consume(&rig, &settings).await;
        effects_come(&rig, 6).await;
        assert_eq!(rig.effects().await, crate::rig::texts(0..6));
        consumer.stop().await;
        // A restart claims positions behind which there is nothing but a marker.
        let (consumer, _) = consume(&rig, &settings).await;
        tokio::task::block_in_place(|| transaction(6..9, true)).unwrap();
        effects_come(&rig, 9).await;
        consumer.stop().await;
        assert_eq!(rig.effects().await, crate::rig::texts(0..9));
        assert_eq!(status.stopped(), None);
        delete_topic(topic).await;
    }

    /// Of a record that another program compressed, the copy would be larger than what a broker takes from us.
    async fn doubled_and_huge_headers_of_others_take_effect_or_are_set_aside(db: TestDatabase) {
        let Some((rig, settings)) = rig_and_settings(db).await else { return };
        let topic = &settings.topic;
        let publisher = log(&settings).await;
        let letters = format!("{topic}.{topic}.dlt");
        publisher.ensure_topic(&letters).await.unwrap();
        let relay = Relay::new("test", Outbox::new(rig.database.clone()), publisher.clone());
        let relay = Running::spawn(|stop| relay.run(stop));
        let stranger: BaseProducer =
            client().set("compression.type", "gzip").set("message.max.bytes", "10000000").create().unwrap();
        // As little alike as a card index: what shrinks to less than a 64th is not read at all.
        let huge: String = (0..50_000).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
        let (first, second) = huge.split_at(huge.len() / 2);
        for payload in ["good", "bad"] {
            let mut headers = OwnedHeaders::new();
            for (key, value) in [
                ("type", Some("one")),
                ("type", Some(first)),
                ("traceparent", Some("two")),
                ("traceparent", Some(second)),
                ("traceparent", Some("")),
                ("null", None),
            ] {
                headers = headers.insert(Header { key, value });
            }
            let record = BaseRecord::to(topic).key("1").payload(payload).headers(headers);
            stranger.send(record).map_err(|(error, _)| error).unwrap();
            tokio::task::block_in_place(|| stranger.flush(TIMEOUT)).unwrap();
        }
        rig.handler.set("bad", Fault::Poison);
        let (consumer, status) = consume(&rig, &settings).await;
        effects_come(&rig, 1).await;
        eventually("set aside", PATIENCE, async || !rig.aside().await.is_empty()).await;
        assert_eq!(rig.letters().await[0].record.headers.len(), 6);
        eventually("the copy is published", PATIENCE, async || rig.count("outbox").await == 0).await;
        publish(publisher.as_ref(), topic, 0..20).await;
        effects_come(&rig, 20).await;
        assert_eq!((status.stalled().is_none(), status.stopped()), (true, None));
        consumer.stop().await;
        relay.stop().await;
        delete_topic(topic).await;
        delete_topic(&letters).await;
    }

    /// Keys move to other partitions; every fact takes effect once.
    async fn partitions_may_be_added_under_load(db: TestDatabase) {
        let Some((rig, mut settings)) = rig_and_settings(db).await else { return };
        settings.partitions = 6;
        let topic = &settings.topic;
        let publisher = log(&settings).await;
        let first = replica(&rig, &settings).await;
        let second = replica(&rig, &settings).await;
        publish(publisher.as_ref(), topic, 0..300).await;
        effects_come(&rig, 50).await;
        admin().create_partitions(&[NewPartitions::new(topic, 12)], &AdminOptions::new()).await.unwrap();
        let mut sent = 300;
        eventually("a new partition was read", PATIENCE, async || {
            publish(publisher.as_ref(), topic, sent..sent + 20).await;
            sent += 20;
            rig.count("inbox_position").await > 6
        })
        .await;
        effects_come(&rig, sent).await;
        first.stop().await;
        second.stop().await;
        assert_eq!((rig.effects().await.len(), different(&rig).await), (sent, sent), "lost or doubled");
        delete_topic(topic).await;
    }

    /// The truth is in the database.
    async fn a_group_that_is_deleted_and_offsets_that_are_reset_change_nothing(db: TestDatabase) {
        let Some((rig, settings)) = rig_and_settings(db).await else { return };
        let topic = &settings.topic;
        let publisher = log(&settings).await;
        publish(publisher.as_ref(), topic, 0..40).await;
        let (consumer, _) = consume(&rig, &settings).await;
        effects_come(&rig, 40).await;
        consumer.stop().await;
        eventually("the group is deleted", PATIENCE, async || {
            let deleted = admin().delete_groups(&[topic.as_str()], &AdminOptions::new()).await.unwrap();
            deleted.iter().all(Result::is_ok)
        })
        .await;
        publish(publisher.as_ref(), topic, 40..60).await;
        let (consumer, status) = consume(&rig, &settings).await;
        effects_come(&rig, 60).await;
        consumer.stop().await;
        assert_eq!((rig.effects().await.len(), status.stopped()), (60, None));
        delete_topic(topic).await;
    }
}

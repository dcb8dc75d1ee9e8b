//! A log to test, and a subscriber who checks the port's promises with everything that he is told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use messaging::settings::Location;
use messaging::{
    EventLog, EventLogSettings, KafkaSettings, Polled, ReceivedRecord, Record, Subscription, open,
};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use tempfile::TempDir;

/// For everything that has to happen; long, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    pub(crate) event_log: EventLogSettings,
    pub(crate) kafka: KafkaSettings,
    /// Of this test alone.
    pub(crate) topic: String,
    pub(crate) directory: TempDir,
}

pub(crate) fn local() -> Option<Rig> {
    Some(rig(|directory| format!("sqlite://{}/new/events.db", directory.path().display())))
}

/// `None`, and it is said, where no Kafka is given.
pub(crate) fn kafka() -> Option<Rig> {
    static SAID: Once = Once::new();
    match std::env::var("TEST_KAFKA_BROKERS") {
        Ok(brokers) if !brokers.is_empty() => Some(rig(|_| format!("kafka://{brokers}"))),
        _ => {
            SAID.call_once(|| {
                // Not by a macro: the test harness would keep it to itself.
                let said = writeln!(
                    std::io::stderr(),
                    "\n*** event log contract: ONLY THE LOCAL LOG is covered, TEST_KAFKA_BROKERS is not set ***\n"
                );
                said.unwrap();
            });
            None
        }
    }
}

fn rig(url: impl FnOnce(&TempDir) -> String) -> Rig {
    let directory = tempfile::tempdir().unwrap();
    let topic = format!("contract-{}", uuid::Uuid::new_v4());
    Rig {
        event_log: EventLogSettings {
            url: url(&directory),
            topic: topic.clone(),
            topics: BTreeMap::new(),
            partitions: 3,
            delivery_timeout_ms: 20_000,
        },
        kafka: KafkaSettings::default(),
        topic,
        directory,
    }
}

/// What would stay on a Kafka that others use as well.
pub(crate) struct Leftovers {
    location: Location,
    topic: String,
}

impl Leftovers {
    pub(crate) async fn delete(self) {
        let Location::Kafka(brokers) = self.location else {
            return;
        };
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        let options = AdminOptions::new();
        admin.delete_topics(&[&self.topic, &other(&self.topic)], &options).await.unwrap();
    }
}

fn other(topic: &str) -> String {
    format!("{topic}-other")
}

impl Rig {
    /// Another topic of this test.
    pub(crate) fn other_topic(&self) -> String {
        other(&self.topic)
    }

    pub(crate) fn leftovers(&self) -> Leftovers {
        Leftovers { location: self.event_log.location(&self.kafka).unwrap(), topic: self.topic.clone() }
    }

    /// A log with the topic.
    pub(crate) async fn log(&self) -> Arc<dyn EventLog> {
        let log = self.log_without_topic().await;
        log.ensure_topic(&self.topic).await.unwrap();
        log
    }

    pub(crate) async fn log_without_topic(&self) -> Arc<dyn EventLog> {
        open(&self.event_log, &self.kafka).await.unwrap()
    }

    pub(crate) fn record(&self, key: &str, payload: impl ToString) -> Record {
        Record {
            topic: self.topic.clone(),
            key: Some(key.to_owned()),
            payload: payload.to_string().into_bytes(),
            headers: Vec::new(),
            timestamp_ms: 1_662_883_010_408,
        }
    }

    pub(crate) async fn publish(&self, log: &dyn EventLog, records: &[Record]) {
        for result in log.publish(records).await {
            result.unwrap();
        }
    }

    /// Publishes `from..to` as payloads, over five keys.
    pub(crate) async fn publish_numbers(&self, log: &dyn EventLog, from: usize, to: usize) {
        let records: Vec<Record> = (from..to).map(|n| self.record(&format!("key {}", n % 5), n)).collect();
        self.publish(log, &records).await;
    }

    pub(crate) async fn subscriber(&self, log: &dyn EventLog, group: &str) -> Subscriber {
        self.subscriber_of(log, &self.topic, group).await
    }

    pub(crate) async fn subscriber_of(&self, log: &dyn EventLog, topic: &str, group: &str) -> Subscriber {
        Subscriber {
            subscription: log.subscribe(topic, group).await.unwrap(),
            owned: BTreeSet::new(),
            next: BTreeMap::new(),
        }
    }
}

/// A subscriber who keeps his positions and holds the log to its word.
pub(crate) struct Subscriber {
    pub(crate) subscription: Box<dyn Subscription>,
    pub(crate) owned: BTreeSet<i32>,
    /// The lowest offset that may come next.
    next: BTreeMap<i32, i64>,
}

impl Subscriber {
    pub(crate) async fn poll(&mut self, max: usize, wait: Duration) -> Polled {
        let polled = self.subscription.poll(max, wait).await.unwrap();
        match &polled {
            Polled::Assigned(partitions) => {
                assert!(!partitions.is_empty(), "assigned nothing");
                for partition in partitions {
                    assert!(self.owned.insert(*partition), "assigned twice: {polled:?}");
                    self.next.remove(partition);
                }
            }
            Polled::Revoked(partitions) => {
                assert!(!partitions.is_empty(), "revoked nothing");
                for partition in partitions {
                    assert!(self.owned.remove(partition), "not ours: {polled:?}");
                }
            }
            Polled::Records(records) => self.check(records, max),
        }
        polled
    }

    fn check(&mut self, records: &[ReceivedRecord], max: usize) {
        assert!(records.len() <= max, "{} instead of {max}", records.len());
        let Some(first) = records.first() else {
            return;
        };
        let partition = first.partition;
        assert!(self.owned.contains(&partition), "{partition} is not ours");
        for record in records {
            assert_eq!(record.partition, partition, "one partition at a time");
            let next = self.next.entry(partition).or_insert(0);
            assert!(record.offset >= *next, "{} after {next}", record.offset);
            *next = record.offset + 1;
        }
    }

    pub(crate) async fn seek(&mut self, partition: i32, offset: i64) {
        self.subscription.seek(partition, offset).await.unwrap();
        self.next.insert(partition, offset);
    }

    /// Polls until something is assigned.
    pub(crate) async fn assigned(&mut self) -> Vec<i32> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Polled::Assigned(partitions) = self.poll(1, Duration::from_secs(1)).await {
                return partitions;
            }
        }
        panic!("nothing was assigned");
    }

    /// Polls until so many records are here.
    pub(crate) async fn records(&mut self, count: usize) -> Vec<ReceivedRecord> {
        let start = Instant::now();
        let mut records = Vec::new();
        while records.len() < count {
            assert!(start.elapsed() < PATIENCE, "{} records instead of {count}", records.len());
            if let Polled::Records(more) = self.poll(500, Duration::from_millis(200)).await {
                records.extend(more);
            }
        }
        assert_eq!(records.len(), count, "more records than were expected");
        records
    }

    /// Nothing comes any more.
    pub(crate) async fn nothing(&mut self) {
        let polled = self.poll(10, Duration::from_millis(300)).await;
        assert_eq!(polled, Polled::Records(Vec::new()));
    }
}

/// Payloads as numbers, in ascending order.
pub(crate) fn numbers(records: &[ReceivedRecord]) -> Vec<usize> {
    let mut numbers: Vec<usize> = records.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

pub(crate) fn number(record: &ReceivedRecord) -> usize {
    str::from_utf8(&record.record.payload).unwrap().parse().unwrap()
}

/// Of each key the payloads are ascending numbers.
pub(crate) fn assert_order_per_key(records: &[ReceivedRecord]) {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        let key = record.record.key.as_deref().unwrap();
        let number = number(record);
        if let Some(before) = last.insert(key, number) {
            assert!(before < number, "{number} after {before} of {key}");
        }
    }
}

//! The event log from outside: what is on the topic, and putting something there that is not ours.

use std::path::PathBuf;
use std::time::Duration;

use messaging::local::LocalLog;
use messaging::{EventLog, ReceivedRecord, Record};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;

use crate::topic::Place;
use crate::waiting::{PATIENCE, eventually};

const KAFKA_LIMIT: Duration = Duration::from_secs(10);

pub struct EventReader {
    place: Place,
    topic: String,
}

/// A record, as somebody reads it who only knows JSON.
#[derive(Clone, Debug)]
pub struct Seen {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<String>,
    pub value: Value,
    pub raw: Vec<u8>,
    pub headers: Vec<(String, String)>,
}

impl Seen {
    pub fn event_type(&self) -> &str {
        self.value["eventType"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl EventReader {
    pub fn local(file: PathBuf, topic: &str) -> Self {
        Self { place: Place::Local(file), topic: topic.to_owned() }
    }

    pub fn kafka(brokers: String, topic: &str) -> Self {
        Self { place: Place::Kafka(brokers), topic: topic.to_owned() }
    }

    /// The topic of what a consumer group set aside.
    #[must_use]
    pub fn dead_letters_of(mut self, group: &str) -> Self {
        self.topic = format!("{}.{group}.dlt", self.topic);
        self
    }

    /// Everything on the topic, in order for each key.
    pub async fn all(&self) -> Vec<Seen> {
        let records = self.place.read(&self.topic).await.expect("the log can be read");
        records.into_iter().map(seen).collect()
    }

    /// The facts of one reservation so far.
    pub async fn of(&self, reservation: i64) -> Vec<Seen> {
        let key = reservation.to_string();
        self.all().await.into_iter().filter(|record| record.key.as_deref() == Some(&key)).collect()
    }

    /// Waits until the reservation has exactly these facts, in whatever order its producers were.
    pub async fn expect(&self, reservation: i64, types: &[&str]) -> Vec<Seen> {
        self.expect_of(types, async || self.of(reservation).await).await
    }

    /// The same after a crash: a producer that died between telling and remembering that it told tells the same record
    /// again, word for word.
    pub async fn expect_repeated(&self, reservation: i64, types: &[&str]) -> Vec<Seen> {
        self.expect_of(types, async || {
            let mut distinct: Vec<Seen> = Vec::new();
            for fact in self.of(reservation).await {
                let is_the_same = |known: &&Seen| {
                    known.header("ce_source") == fact.header("ce_source")
                        && known.header("ce_id") == fact.header("ce_id")
                };
                match distinct.iter().find(is_the_same) {
                    Some(known) => assert_eq!(known.raw, fact.raw, "one id, two records"),
                    None => distinct.push(fact),
                }
            }
            distinct
        })
        .await
    }

    async fn expect_of(&self, types: &[&str], mut look: impl AsyncFnMut() -> Vec<Seen>) -> Vec<Seen> {
        let mut wanted = types.to_vec();
        wanted.sort_unstable();
        eventually(PATIENCE, &format!("the facts {types:?}"), async || {
            let found = look().await;
            let mut types: Vec<&str> = found.iter().map(Seen::event_type).collect();
            types.sort_unstable();
            if types == wanted { Ok(found) } else { Err(types.join(" ")) }
        })
        .await
    }

    /// Puts a record on the topic that none of the services wrote.
    pub async fn publish(&self, key: Option<&str>, value: &[u8], headers: &[(&str, &str)]) {
        match &self.place {
            Place::Local(file) => {
                let log = LocalLog::open(file).await.expect("the log can be opened");
                let record = Record {
                    topic: self.topic.clone(),
                    key: key.map(str::to_owned),
                    payload: value.to_vec(),
                    headers: headers
                        .iter()
                        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                        .collect(),
                    timestamp_ms: 1_662_883_010_408,
                };
                for result in log.publish(&[record]).await {
                    result.expect("the log takes a record");
                }
                log.flush_and_close().await;
            }
            Place::Kafka(brokers) => self.publish_to_kafka(brokers, key, value, headers).await,
        }
    }

    async fn publish_to_kafka(
        &self,
        brokers: &str,
        key: Option<&str>,
        value: &[u8],
        headers: &[(&str, &str)],
    ) {
        let producer: FutureProducer =
            ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a producer can be made");
        let headers = headers.iter().fold(OwnedHeaders::new(), |all, (name, value)| {
            all.insert(Header { key: name, value: Some(*value) })
        });
        let mut record = FutureRecord::<str, [u8]>::to(&self.topic).payload(value).headers(headers);
        record.key = key;
        producer.send(record, KAFKA_LIMIT).await.expect("Kafka takes a record");
    }
}

fn seen(received: ReceivedRecord) -> Seen {
    let record = received.record;
    Seen {
        partition: received.partition,
        offset: received.offset,
        key: record.key,
        value: serde_json::from_slice(&record.payload).unwrap_or_default(),
        raw: record.payload,
        headers: record
            .headers
            .into_iter()
            .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
            .collect(),
    }
}

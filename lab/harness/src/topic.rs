//! Everything on a topic, from its beginning to where it ends now.

use std::path::{Path, PathBuf};
use std::time::Duration;

use messaging::ReceivedRecord;
use messaging::kafka::received;
use messaging::local::LocalReader;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::{Error, Ground};

const KAFKA_LIMIT: Duration = Duration::from_secs(20);
const CHUNK: usize = 10_000;

/// Where the log lies.
#[derive(Clone, Debug)]
pub enum Place {
    Local(PathBuf),
    /// Its brokers.
    Kafka(String),
}

impl Place {
    pub fn of(ground: &Ground) -> Self {
        match ground.event_log.url.strip_prefix("sqlite://") {
            Some(path) if ground.kafka.brokers.is_empty() => Self::Local(path.into()),
            _ => Self::Kafka(ground.kafka.brokers.clone()),
        }
    }

    /// # Errors
    /// The log's.
    pub async fn read(&self, topic: &str) -> Result<Vec<ReceivedRecord>, Error> {
        match self {
            Self::Local(path) => read_file(path, topic).await,
            Self::Kafka(brokers) => {
                let (brokers, topic) = (brokers.clone(), topic.to_owned());
                tokio::task::spawn_blocking(move || read_kafka(&brokers, &topic))
                    .await
                    .map_err(|e| Error::EventLog(e.to_string()))?
                    .map_err(|e| Error::EventLog(e.to_string()))
            }
        }
    }
}

async fn read_file(path: &Path, topic: &str) -> Result<Vec<ReceivedRecord>, Error> {
    let failed = |e: messaging::EventLogError| Error::EventLog(e.to_string());
    let mut reader = LocalReader::open(path).await.map_err(failed)?;
    let mut records: Vec<ReceivedRecord> = Vec::new();
    loop {
        let next = records.last().map_or(0, |last| last.offset + 1);
        let more = reader.read_from(topic, next, CHUNK).await.map_err(failed)?;
        if more.is_empty() {
            return Ok(records);
        }
        records.extend(more);
    }
}

fn read_kafka(brokers: &str, topic: &str) -> Result<Vec<ReceivedRecord>, KafkaError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "lab-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), KAFKA_LIMIT)?;
    let known = metadata.topics().iter().filter(|found| found.error().is_none());
    let partitions: Vec<i32> = known.flat_map(|found| found.partitions().iter().map(|p| p.id())).collect();
    let mut assignment = TopicPartitionList::new();
    for partition in &partitions {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut records = Vec::new();
    let mut at_their_end = 0;
    while at_their_end < partitions.len() {
        match consumer.poll(KAFKA_LIMIT) {
            Some(Ok(message)) => records.push(received(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) => at_their_end += 1,
            // librdkafka connects again by itself; that it never does is found out by the limit.
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure,
            ))) => {}
            Some(Err(error)) => return Err(error),
            None => return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut)),
        }
    }
    Ok(records)
}

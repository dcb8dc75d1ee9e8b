//! Compressed batches that are much more in memory than on their way. Kafka's alone.

use std::process::Command;
use std::time::{Duration, Instant};

use futures::future::join_all;
use messaging::{EventLogSettings, KafkaSettings, Polled, open};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::kafka_alone::existing_topic;
use crate::rig::{self, PATIENCE};

const TOPIC: &str = "BOMBS_TEST_TOPIC";
const WANTED: &str = "BOMBS_TEST_RECORDS";
const RECORDS: usize = 300;
const BYTES: usize = 900_000;
/// Of a process that has read such a batch, with its code and stacks: a fraction of the batch.
const MOST_MEMORY_KB: usize = 150_000;

/// Publishes so many records as one batch, of one letter but for `noise` bytes at the beginning.
async fn publish_compressed(topic: &str, compression: &str, records: usize, noise: usize) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", std::env::var("TEST_KAFKA_BROKERS").unwrap())
        .set("compression.type", compression)
        .set("linger.ms", "20000")
        .set("batch.num.messages", records.to_string())
        .set("batch.size", "1000000000")
        .set("message.max.bytes", "1000000000")
        .set("queue.buffering.max.kbytes", "1000000")
        .create()
        .unwrap();
    let mut random = 1_u32;
    let mut payload = vec![b'a'; BYTES];
    for byte in &mut payload[..noise] {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        *byte = random.to_le_bytes()[0];
    }
    let sent: Vec<_> = (0..records)
        .map(|number| {
            // Else a record would be compressed as a copy of the one before.
            payload[..noise].rotate_left(number.min(noise));
            producer.send_result(FutureRecord::<str, [u8]>::to(topic).partition(0).payload(&payload)).unwrap()
        })
        .collect();
    for sent in join_all(sent).await {
        sent.unwrap().unwrap();
    }
}

/// The memory is that of a process which does nothing else: this program, started anew.
fn read_in_a_process_of_its_own(topic: &str, wanted: usize) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .env(TOPIC, topic)
        .env(WANTED, wanted.to_string())
        .args(["--exact", "bombs::the_reader", "--nocapture"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Not a test but the process under test, where the variable is set. Reads so many records.
#[tokio::test]
async fn the_reader() {
    let Ok(topic) = std::env::var(TOPIC) else { return };
    let settings = EventLogSettings {
        url: format!("kafka://{}", std::env::var("TEST_KAFKA_BROKERS").unwrap()),
        topic: topic.clone(),
        ..EventLogSettings::default()
    };
    let log = open(&settings, &KafkaSettings::default()).await.unwrap();
    let mut subscription = log.subscribe(&topic, "reader").await.unwrap();
    let start = Instant::now();
    let mut read = 0;
    let wanted: usize = std::env::var(WANTED).unwrap().parse().unwrap();
    while read < wanted {
        assert!(start.elapsed() < PATIENCE, "{read} records of {wanted}");
        if let Polled::Records(records) = subscription.poll(500, Duration::from_secs(1)).await.unwrap() {
            let total: usize = records.iter().map(|received| received.record.payload.len()).sum();
            assert!(total <= 4_000_000 || records.len() == 1, "{total} bytes at once");
            read += records.len();
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak={} read={}", peak.trim().trim_end_matches(" kB"), read);
}

fn told(output: &str, name: &str) -> usize {
    let value = output.split_whitespace().find_map(|word| word.strip_prefix(name)).unwrap();
    value.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_explodes_costs_its_reader_little_memory_and_does_not_stop_it() {
    let Some(rig) = rig::kafka() else { return };
    for compression in ["gzip", "lz4", "snappy"] {
        let topic = format!("{}.{compression}", rig.topic);
        // As somebody else made it: what compressed records are inside does not count. A large limit, for lz4 and snappy.
        existing_topic(&topic, &[("max.message.bytes", "50000000")]).await;
        let log = rig.log_without_topic().await;
        let record = |text: &str| messaging::Record { topic: topic.clone(), ..rig.record("a", text) };
        publish_compressed(&topic, compression, RECORDS, 0).await;
        rig.publish(&*log, &(0..30).map(|_| record("behind")).collect::<Vec<_>>()).await;
        let output = read_in_a_process_of_its_own(&topic, 30);
        let peak = told(&output, "peak=");
        assert!(peak < MOST_MEMORY_KB, "{compression}: {peak} kB");
        crate::kafka_alone::delete_topic(&topic).await;
    }
}

/// Batches that are just below the bound, one behind the other and in all partitions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_are_just_allowed_are_read_within_a_containers_memory() {
    let Some(rig) = rig::kafka() else { return };
    existing_topic(&rig.topic, &[]).await;
    let log = rig.log_without_topic().await;
    for _ in 0..20 {
        publish_compressed(&rig.topic, "gzip", 16, 15_500).await;
    }
    rig.publish(&*log, &[rig.record("a", "behind")]).await;
    let output = read_in_a_process_of_its_own(&rig.topic, 20 * 16 + 1);
    let peak = told(&output, "peak=");
    assert!(peak < MOST_MEMORY_KB, "{peak} kB");
    crate::kafka_alone::delete_topic(&rig.topic).await;
}

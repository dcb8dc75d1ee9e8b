//! Batches that are small on the topic and huge in memory: consumers live on within the limit that Kubernetes gives them.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use super::act::{Act, Played};
use super::probe::Probe;
use crate::poison;
use crate::run::Place;
use bench::report::Figure;
use harness::cgroup::Cgroup;
use harness::{Error, Ground, Plan, Service, System};

const CONSUMERS: [Service; 3] = [Service::Payment, Service::Receipt, Service::Myreservation];
/// `resources.limits.memory` of kubernetes/base/service.yaml.
const LIMIT: u64 = 256 << 20;
const RECORDS: usize = 300;
const RECORD_BYTES: usize = 1_000_000;
const PROBE_WITHIN: Duration = Duration::from_secs(120);

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    let infra = place.stage.infra.as_ref().ok_or_else(|| {
        Error::not_available("compressed batches are Kafka's: not there without --against real")
    })?;
    let bombs = act.size(12, 2);
    let mut plan = Plan::all()?
        .with(Some(Service::Payment), "PROVIDER_ERROR_RATE", "0")
        .with(Some(Service::Prereservation), "PAYMENT_CLIENT_TIMEOUT_MS", "10000")
        .with(Some(Service::Prereservation), "CIRCUIT_BREAKER_SLOW_CALL_DURATION_THRESHOLD_MS", "9900");
    let mut cgroups = Vec::new();
    for service in CONSUMERS {
        let cgroup = Cgroup::new(service.name(), LIMIT)?;
        plan = plan.in_cgroup(service, &cgroup);
        cgroups.push((service, cgroup));
    }
    let ground = Ground::new(place.stage).await?;
    lay_open(&infra.brokers, &ground.event_log.topic).await?;
    let mut system = System::start(plan, ground).await?;
    let mut probe = Probe::new(&system, PROBE_WITHIN)?;
    probe.goes_through(&mut system).await?;
    let (mut taken, mut refused) = (0, String::new());
    let (mut late, mut ended) = (0, String::new());
    for bomb in 0..bombs {
        match throw(&infra.brokers, &system.ground().event_log.topic, bomb).await {
            Ok(()) => taken += 1,
            Err(error) => refused = error.to_string(),
        }
        match probe.goes_through(&mut system).await {
            Ok(seen) => late += u32::from(seen.whole.is_none()) + u32::from(seen.refunded.is_none()),
            Err(error) => {
                ended = error.to_string();
                break;
            }
        }
    }
    let kills: u64 = cgroups.iter().map(|(_, cgroup)| cgroup.kills()).sum();
    let peaks: Vec<String> = cgroups
        .iter()
        .map(|(service, cgroup)| {
            let peak = cgroup.peak_bytes().map_or_else(|| "?".to_owned(), |bytes| (bytes >> 20).to_string());
            format!("{} {peak} MiB", service.name())
        })
        .collect();
    let sound = kills == 0 && ended.is_empty() && late == 0;
    match system.stop().await {
        Ok(ground) if place.keep || !sound => eprintln!("data and logs stay in {}", ground.keep().display()),
        Ok(ground) => ground.remove().await?,
        Err(error) => eprintln!("at the end: {error}"),
    }
    let figures =
        vec![
        Figure::new("bombs", f64::from(taken), "").at_least(f64::from(bombs)).note(format!(
            "taken by the broker, each {RECORDS} records of {RECORD_BYTES} bytes in one gzip batch; {refused}"
        )),
        Figure::new("killed_for_memory", kills as f64, "")
            .at_most(0.0)
            .note(format!("at {} MiB; the most with page cache: {}", LIMIT >> 20, peaks.join(", "))),
        Figure::new("ended", f64::from(u8::from(!ended.is_empty())), "").at_most(0.0).note(ended),
        Figure::new("probes_late", f64::from(late), "")
            .at_most(0.0)
            .note(format!("not whole or not refunded after {PROBE_WITHIN:?}")),
    ];
    Ok(Played { figures, outcome: None })
}

/// A topic as others make it: the broker takes batches as they come, and looks at their compressed size.
async fn lay_open(brokers: &str, topic: &str) -> Result<(), Error> {
    let failed = |error: rdkafka::error::KafkaError| Error::EventLog(error.to_string());
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().map_err(failed)?;
    let new = NewTopic::new(topic, 6, TopicReplication::Fixed(1))
        .set("retention.ms", "-1")
        .set("compression.type", "producer");
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    for created in admin.create_topics([&new], &options).await.map_err(failed)? {
        created.map_err(|(topic, code)| Error::EventLog(format!("creating {topic}: {code}")))?;
    }
    Ok(())
}

/// One batch to one partition.
async fn throw(brokers: &str, topic: &str, number: u32) -> Result<(), Error> {
    let failed = |error: rdkafka::error::KafkaError| Error::EventLog(error.to_string());
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("compression.type", "gzip")
        .set("batch.num.messages", RECORDS.to_string())
        // The limit of a batch before it is compressed; the broker looks at what arrives.
        .set("message.max.bytes", "1000000000")
        .set("batch.size", "1000000000")
        .set("queue.buffering.max.kbytes", "1000000")
        .set("linger.ms", "60000")
        .create()
        .map_err(failed)?;
    let payload = "a".repeat(RECORD_BYTES);
    let key = format!("bomb-{number}");
    let mut deliveries = Vec::new();
    for _ in 0..RECORDS {
        let headers = rdkafka::message::OwnedHeaders::new()
            .insert(rdkafka::message::Header { key: poison::HEADER, value: Some("bomb") });
        let record = FutureRecord::to(topic).key(&key).payload(&payload).headers(headers);
        deliveries.push(producer.send_result(record).map_err(|(error, _)| failed(error))?);
    }
    tokio::task::spawn_blocking({
        let producer = producer.clone();
        move || producer.flush(Duration::from_secs(60))
    })
    .await
    .map_err(|error| Error::unexpected(error.to_string()))?
    .map_err(failed)?;
    for delivery in deliveries {
        let delivered = delivery.await.map_err(|error| Error::unexpected(error.to_string()))?;
        delivered.map_err(|(error, _)| failed(error))?;
    }
    Ok(())
}

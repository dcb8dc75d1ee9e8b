//! Topics that have to be there.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::config::Logs;
use crate::log::EventLogError;

pub(super) const CREATING: &str = "creating a topic";
const TIMEOUT: Duration = Duration::from_secs(10);

/// Facts are kept for ever.
const KEPT: &[(&str, &str)] = &[("retention.ms", "-1"), ("cleanup.policy", "delete")];
/// Brokers that know this setting (from Kafka 3.6 on) accept records of a writer whose clock is ahead.
const CLOCKS: &[(&str, &str)] = &[("message.timestamp.after.max.ms", "9223372036854775807")];

/// Creates the topic if it is missing. A service without the right to create topics works with existing ones.
pub(super) async fn ensure(config: &ClientConfig, topic: &str, partitions: i32) -> Result<(), EventLogError> {
    let admin: AdminClient<Logs> =
        config.create_with_context(Logs::of("admin")).map_err(|e| EventLogError::refused(CREATING, e))?;
    let admin = std::sync::Arc::new(admin);
    let (asked, name) = (admin.clone(), topic.to_owned());
    let there = tokio::task::spawn_blocking(move || is_there(&asked, &name)).await;
    match there {
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) => {}
        Ok(Err(error)) => return Err(EventLogError::unavailable(CREATING, error)),
        Err(gone) => return Err(EventLogError::unavailable(CREATING, gone)),
    }
    match create(&admin, topic, partitions, &[KEPT, CLOCKS]).await? {
        Err(RDKafkaErrorCode::InvalidConfig) => create(&admin, topic, partitions, &[KEPT]).await?,
        created => created,
    }
    .map_err(|code| EventLogError::refused(CREATING, KafkaError::AdminOp(code)))
}

/// Settings of the topic under which records are deleted.
pub(super) async fn dangers(config: &ClientConfig, topic: &str) -> Result<Vec<String>, EventLogError> {
    const ASKING: &str = "asking for the topic's settings";
    let admin: AdminClient<Logs> =
        config.create_with_context(Logs::of("admin")).map_err(|e| EventLogError::refused(ASKING, e))?;
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let described = admin
        .describe_configs([&ResourceSpecifier::Topic(topic)], &options)
        .await
        .map_err(|e| EventLogError::unavailable(ASKING, e))?;
    let mut found = Vec::new();
    for resource in described {
        let resource = resource.map_err(|code| EventLogError::refused(ASKING, KafkaError::AdminOp(code)))?;
        found.extend(dangers_of(&resource));
    }
    Ok(found)
}

fn dangers_of(resource: &ConfigResource) -> Vec<String> {
    let value = |name| resource.get(name).and_then(|entry| entry.value.as_deref()).unwrap_or_default();
    let policy = value("cleanup.policy");
    let mut found = Vec::new();
    if policy.contains("compact") {
        found.push(format!("cleanup.policy={policy}: all but the last record of each key are removed"));
    }
    if policy.contains("delete") {
        for name in ["retention.ms", "retention.bytes"] {
            let limit = value(name);
            if !limit.is_empty() && limit != "-1" {
                found.push(format!("{name}={limit}: records are deleted"));
            }
        }
    }
    found
}

fn is_there(admin: &AdminClient<Logs>, topic: &str) -> Result<bool, KafkaError> {
    let metadata = admin.inner().fetch_metadata(Some(topic), TIMEOUT)?;
    // Who may not even see it hears that it is not there, or that it is not allowed: creating says which.
    Ok(metadata.topics().iter().any(|found| found.name() == topic && found.error().is_none()))
}

async fn create(
    admin: &AdminClient<Logs>,
    topic: &str,
    partitions: i32,
    settings: &[&[(&str, &str)]],
) -> Result<Result<(), RDKafkaErrorCode>, EventLogError> {
    // -1: as many replicas as the brokers find right.
    let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
    for (name, value) in settings.iter().copied().flatten() {
        new = new.set(name, value);
    }
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    let results =
        admin.create_topics([&new], &options).await.map_err(|e| EventLogError::unavailable(CREATING, e))?;
    Ok(results.into_iter().try_for_each(|result| match result {
        Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(()),
        Err((_, code)) => Err(code),
    }))
}

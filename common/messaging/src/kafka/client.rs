//! The Kafka client behind a subscription: how it is made, when it is given up, and how it leaves its group.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, TopicPartitionList};
use tokio::time::Instant;

use super::look::is_there;
use super::publishing::drop_elsewhere;
use super::rebalance::{Rebalances, assign};
use crate::log::EventLogError;

/// librdkafka says as often whether it reads.
const STATISTICS_EVERY_MS: &str = "5000";
/// After an outage librdkafka sometimes never reads again, although the broker answers everybody else: it waits for the
/// end of a commit, or believes that a partition has no leader. A rebalance may take `max.poll.interval.ms`, and this is longer.
const LOST_AFTER: Duration = Duration::from_secs(75);

pub(super) struct Client {
    /// `None` once it is given up or has left.
    consumer: Option<Arc<StreamConsumer<Rebalances>>>,
    config: ClientConfig,
    topic: String,
    /// When it was last found out whether librdkafka is at fault.
    suspected_at: Instant,
}

impl Client {
    pub(super) fn join(config: ClientConfig, topic: &str) -> Result<Self, KafkaError> {
        let consumer: StreamConsumer<Rebalances> = config
            .clone()
            .set("statistics.interval.ms", STATISTICS_EVERY_MS)
            .create_with_context(Rebalances::new())?;
        consumer.subscribe(&[topic])?;
        Ok(Self {
            consumer: Some(Arc::new(consumer)),
            config,
            topic: topic.to_owned(),
            suspected_at: Instant::now(),
        })
    }

    pub(super) fn consumer(&self) -> Result<&Arc<StreamConsumer<Rebalances>>, EventLogError> {
        self.consumer.as_ref().ok_or(EventLogError::Closed)
    }

    /// For clients that ask beside it.
    pub(super) fn config(&self) -> &ClientConfig {
        &self.config
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// librdkafka reads nothing, and a new client could.
    pub(super) async fn is_lost(&mut self) -> Result<bool, EventLogError> {
        let unwell = self.consumer()?.context().unwell_for();
        if unwell < LOST_AFTER || self.suspected_at.elapsed() < LOST_AFTER {
            return Ok(false);
        }
        self.suspected_at = Instant::now();
        let (config, topic) = (self.config.clone(), self.topic.clone());
        Ok(tokio::task::spawn_blocking(move || is_there(&config, &topic)).await.unwrap_or(false))
    }

    /// The next subscription makes a new client.
    pub(super) fn give_up(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            consumer.context().close();
            drop_elsewhere(consumer);
        }
    }

    /// Leaves the group. `unanswered`: librdkafka waits for the answer to an assignment.
    pub(super) fn leave(&mut self, unanswered: bool) {
        let Some(consumer) = self.consumer.take() else { return };
        let noted = consumer.context().close();
        if noted || unanswered {
            // Without the answer the consumer would never leave the group, and its drop would never return.
            let _ = assign(consumer.as_ref(), &TopicPartitionList::new());
        }
        // Leaving the group takes a round trip, and blocks.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(consumer))),
            Err(_) => drop(consumer),
        }
    }
}

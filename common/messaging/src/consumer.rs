//! The consumer: batches of records, one transaction a batch, and the position with it.
//!
//! Reading order: [`reader`] (the loop), [`standing`] (partitions come and go), [`verify`] (is it the log that was
//! read?), [`company`] (who else reads in the group), [`batch`] (records become effects), [`traced`] (what a collector of traces sees of it), [`status`].

mod batch;
mod company;
mod reader;
mod standing;
mod status;
mod traced;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, in_range};
use tokio_util::sync::CancellationToken;

use crate::handler::Handler;
use crate::identity::identity;
use crate::log::EventLog;
use crate::outbox::Outbox;

pub use self::status::ConsumerStatus;

pub(crate) use self::batch::Failed;
pub(crate) use self::reader::Reader;

/// `[consumer]`: how a service reads the topic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerSettings {
    /// Most records in one transaction.
    pub batch: usize,
    /// How often a record that fails for reasons of its own is tried before it is set aside.
    pub attempts: u32,
    /// The longest pause between attempts while the database or the log is away.
    pub longest_backoff_ms: u64,
}

impl ConsumerSettings {
    /// # Errors
    /// The first key that is wrong.
    pub fn check(&self) -> Result<(), Invalid> {
        in_range("consumer.batch", self.batch, 1..=10_000)?;
        match self.attempts {
            0 => Err(Invalid::new("consumer.attempts", "must be at least 1")),
            _ => Ok(()),
        }
    }
}

/// Reads a topic as one member of a group, and applies its records through a [`Handler`].
pub struct Consumer {
    pub group: &'static str,
    pub topic: String,
    pub outbox: Outbox,
    pub log: Arc<dyn EventLog>,
    pub handler: Arc<dyn Handler>,
    pub settings: ConsumerSettings,
    pub status: ConsumerStatus,
}

impl Consumer {
    /// Reads until `stop`. What is in hand is finished; what is not committed comes again.
    pub async fn run(self, stop: CancellationToken) {
        let longest = Duration::from_millis(self.settings.longest_backoff_ms.max(1));
        let mut reader = Reader::new(self, stop.clone(), longest);
        while !stop.is_cancelled() {
            let consumer = &reader.consumer;
            let id = match identity(consumer.outbox.database()).await {
                Ok(id) => id,
                Err(error) => {
                    reader.pause(&error).await;
                    continue;
                }
            };
            match consumer.log.subscribe_for(&consumer.topic, consumer.group, &id).await {
                Ok(mut subscription) => {
                    let ended = reader.read(subscription.as_mut()).await;
                    reader.forget_partitions();
                    if let Err(error) = ended {
                        reader.pause(&error).await;
                    }
                }
                Err(error) => reader.pause(&error).await,
            }
        }
    }
}

//! The consumer: batches of records, one transaction a batch, and the position with it.
//!
//! Reading order: [`running`] (the loop), [`reader`] (what it knows), [`partition`] (where it stands in a partition), [`claims`]
//! (partitions come and go), [`verify`] (is it the log that was read?), [`company`] (who else reads in the group), [`batch`]
//! (records become effects), [`aside`] (records that cannot), [`replay`] (what operators ask for), [`traced`] (what a
//! collector of traces sees of it), [`status`].

mod aside;
mod batch;
mod claims;
mod company;
mod partition;
mod reader;
mod replay;
mod running;
mod status;
mod traced;
mod verify;

use std::sync::Arc;

use serde::Deserialize;
use settings::{Invalid, in_range};

use crate::log::EventLog;
use crate::outbox::Outbox;

pub use self::status::ConsumerStatus;

/// `[consumer]`: how a service reads the topic.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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

/// Reads a topic as one member of a group, and applies its records through a [`Handler`](crate::Handler).
pub struct Consumer<H> {
    pub group: &'static str,
    pub topic: String,
    pub outbox: Outbox,
    pub log: Arc<dyn EventLog>,
    pub handler: Arc<H>,
    pub settings: ConsumerSettings,
    pub status: ConsumerStatus,
}

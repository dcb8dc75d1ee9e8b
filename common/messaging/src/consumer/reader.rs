//! A consumer at work: what it knows. What it does stands in the files beside.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use resilience::Backoff;
use storage::Database;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Consumer;
use super::partition::{CLAIM_AGAIN_AFTER, Position, Standing};
use crate::handler::Handler;
use crate::inbox::Inbox;
use crate::log::{EventLogError, PartitionView};
use crate::mark::Place;

/// How far behind we are, by partition.
pub(super) type Lags = Result<Vec<(i32, i64)>, EventLogError>;

/// The look at the log that nobody waits for.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) last: Option<Instant>,
    pub(super) looking: Option<Looking>,
}

pub(super) struct Looking {
    pub(super) places: Vec<(i32, Place)>,
    pub(super) answer: JoinHandle<Result<Vec<PartitionView>, EventLogError>>,
}

/// The question that nobody waits for.
#[derive(Default)]
pub(super) struct Company {
    pub(super) last: Option<Instant>,
    pub(super) asked: Option<JoinHandle<Result<Vec<String>, EventLogError>>>,
}

/// A consumer at work.
pub(super) struct Reader<H> {
    pub(super) consumer: Consumer<H>,
    pub(super) inbox: Inbox,
    /// What the log has assigned to us.
    pub(super) partitions: HashMap<i32, Standing>,
    /// Of these partitions, by which records the log is recognised.
    pub(super) places: HashMap<i32, Place>,
    pub(super) watch: Watch,
    pub(super) company: Company,
    pub(super) stop: CancellationToken,
    pub(super) backoff: Backoff,
    /// The log was asked how far we are behind.
    pub(super) lags: Option<JoinHandle<Lags>>,
}

impl<H: Handler> Reader<H> {
    pub(super) fn new(consumer: Consumer<H>, stop: CancellationToken, longest_pause: Duration) -> Self {
        Self {
            inbox: Inbox::new(&consumer.topic),
            partitions: HashMap::new(),
            places: HashMap::new(),
            watch: Watch::default(),
            company: Company::default(),
            stop,
            backoff: Backoff::new(Duration::from_millis(50).min(longest_pause), longest_pause),
            lags: None,
            consumer,
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(super) fn database(&self) -> &Database {
        self.consumer.outbox.database()
    }

    /// The subscription is gone, and with it what was assigned.
    pub(super) fn forget_partitions(&mut self) {
        for partition in self.partitions.keys().copied().collect::<Vec<_>>() {
            self.forget(partition);
        }
    }

    pub(super) fn forget(&mut self, partition: i32) {
        self.partitions.remove(&partition);
        self.places.remove(&partition);
        self.lift(partition);
        self.show_lag(partition, 0);
    }

    pub(super) async fn pause(&mut self, error: &impl Display) {
        let pause = self.backoff.next_pause();
        self.consumer.status.stall(error);
        let pause_ms = pause.as_millis() as u64;
        tracing::warn!(%error, topic = self.consumer.topic, pause_ms, "consumer cannot go on; trying again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }

    pub(super) fn show_lag(&self, partition: i32, lag: i64) {
        let labels = [
            ("application", self.consumer.group.to_owned()),
            ("topic", self.consumer.topic.clone()),
            ("partition", partition.to_string()),
        ];
        metrics::gauge!("consumer_lag_records", &labels).set(lag as f64);
    }

    pub(super) fn doubt(&mut self, partition: i32) {
        if let Some(from) = self.position(partition).map(|position| position.stored) {
            self.partitions.insert(partition, Standing::Doubtful { from });
        }
    }

    pub(super) fn lost(&mut self, partition: i32) {
        tracing::info!(partition, "partition claimed by somebody else");
        let due = Instant::now() + CLAIM_AGAIN_AFTER;
        self.partitions.insert(partition, Standing::Unclaimed { due, about_gap: false });
    }

    /// Where we stand in a partition that is ours.
    pub(super) fn position(&mut self, partition: i32) -> Option<&mut Position> {
        match self.partitions.get_mut(&partition) {
            Some(Standing::Ours(position)) => Some(position),
            _ => None,
        }
    }
}

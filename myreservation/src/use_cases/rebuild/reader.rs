//! Reads the topic from its beginning, and never past the bounds that it is given.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use messaging::{EventLog, Polled, ReceivedRecord, Subscription};

use super::{Read, RebuildError};
use crate::domain::Batch;
use crate::use_cases::ports::Positions;

const POLL_WAIT: Duration = Duration::from_millis(100);
/// Records kept of a partition that is ahead of its bound; what comes after is read again when it is wanted.
const KEPT_AHEAD: usize = 20_000;

pub(super) struct Reader {
    subscription: Box<dyn Subscription>,
    read: Read,
    /// What has been given out, partition -> next offset.
    positions: Positions,
    ahead: BTreeMap<i32, VecDeque<ReceivedRecord>>,
    /// Partitions of which too much came; nothing more is kept until they are wanted again.
    parked: BTreeSet<i32>,
    pub(super) unreadable: i64,
}

impl Reader {
    pub(super) async fn new(log: &dyn EventLog, topic: &str, read: Read) -> Result<Self, RebuildError> {
        // A group of its own, without a position: it starts at the earliest record.
        let group = format!("myreservation.rebuild.{}", uuid::Uuid::new_v4());
        Ok(Self {
            subscription: log.subscribe(topic, &group).await?,
            read,
            positions: Positions::new(),
            ahead: BTreeMap::new(),
            parked: BTreeSet::new(),
            unreadable: 0,
        })
    }

    pub(super) fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Offsets passed, in all partitions.
    pub(super) fn done(&self) -> i64 {
        self.positions.values().sum()
    }

    /// Offsets left until the bounds.
    pub(super) fn behind(&self, bounds: &Positions) -> i64 {
        bounds.iter().map(|(partition, bound)| (bound - self.position(*partition)).max(0)).sum()
    }

    /// The next records below the bounds, folded; empty where the bounds are reached.
    pub(super) async fn next(
        &mut self,
        bounds: &Positions,
        most: usize,
        silence: Duration,
    ) -> Result<Batch, RebuildError> {
        let mut batch = Batch::default();
        let mut taken = 0;
        let mut heard = Instant::now();
        loop {
            for (partition, bound) in bounds {
                taken += self.take(*partition, *bound, most - taken, &mut batch);
            }
            if taken >= most || self.behind(bounds) == 0 {
                return Ok(batch);
            }
            self.unpark(bounds).await?;
            match self.subscription.poll(most, POLL_WAIT).await? {
                Polled::Records(records) if records.is_empty() => {
                    if taken > 0 {
                        return Ok(batch);
                    }
                    if heard.elapsed() > silence {
                        return Err(RebuildError::Silent(silence));
                    }
                }
                Polled::Records(records) => {
                    heard = Instant::now();
                    self.keep(records);
                }
                Polled::Assigned(partitions) => {
                    for partition in partitions {
                        self.subscription.seek(partition, self.position(partition)).await?;
                    }
                }
                Polled::Revoked(partitions) => {
                    for partition in partitions {
                        self.ahead.remove(&partition);
                        self.parked.remove(&partition);
                    }
                }
            }
        }
    }

    /// Forgets what was given out behind `positions`.
    pub(super) async fn go_back(&mut self, positions: Positions) -> Result<(), RebuildError> {
        for partition in self.positions.keys().copied().collect::<Vec<_>>() {
            let position = positions.get(&partition).copied().unwrap_or(0);
            self.ahead.remove(&partition);
            self.parked.remove(&partition);
            self.subscription.seek(partition, position).await?;
        }
        self.positions = positions;
        Ok(())
    }

    fn position(&self, partition: i32) -> i64 {
        self.positions.get(&partition).copied().unwrap_or(0)
    }

    fn take(&mut self, partition: i32, bound: i64, most: usize, batch: &mut Batch) -> usize {
        let Some(ahead) = self.ahead.get_mut(&partition) else { return 0 };
        let mut taken = 0;
        while taken < most && ahead.front().is_some_and(|record| record.offset < bound) {
            let Some(record) = ahead.pop_front() else { break };
            if let Err(reason) = (self.read)(batch, &record) {
                self.unreadable += 1;
                tracing::debug!(partition, offset = record.offset, reason, "unreadable record passed over");
            }
            self.positions.insert(partition, record.offset + 1);
            taken += 1;
        }
        taken
    }

    fn keep(&mut self, records: Vec<ReceivedRecord>) {
        for record in records {
            let partition = record.partition;
            if self.parked.contains(&partition) {
                continue;
            }
            let expected = self.position(partition);
            let ahead = self.ahead.entry(partition).or_default();
            // What came before a seek took effect comes twice.
            if record.offset < ahead.back().map_or(expected, |last| last.offset + 1) {
                continue;
            }
            if ahead.len() >= KEPT_AHEAD {
                self.parked.insert(partition);
                continue;
            }
            ahead.push_back(record);
        }
    }

    async fn unpark(&mut self, bounds: &Positions) -> Result<(), RebuildError> {
        for partition in self.parked.iter().copied().collect::<Vec<_>>() {
            let position = self.position(partition);
            let wanted = bounds.get(&partition).is_some_and(|bound| position < *bound);
            if wanted && self.ahead.get(&partition).is_none_or(VecDeque::is_empty) {
                self.subscription.seek(partition, position).await?;
                self.parked.remove(&partition);
            }
        }
        Ok(())
    }
}

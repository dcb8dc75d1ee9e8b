//! Reads the topic from its beginning, and never past the bounds that it is given.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use messaging::mark::{Mark, NotOurLog};
use messaging::{EventLog, Polled, ReceivedRecord, Subscription};

use super::error::RebuildError;
use crate::domain::Batch;
use crate::use_cases::ports::Positions;

/// Makes a record part of a batch; the reason where it cannot be.
pub type Read = fn(&mut Batch, &ReceivedRecord) -> Result<(), String>;

const POLL_WAIT: Duration = Duration::from_millis(100);
/// Records kept of a partition that is ahead of its bound; what comes after is read again when it is wanted.
const KEPT_AHEAD: usize = 20_000;

pub(super) struct Reader {
    subscription: Box<dyn Subscription>,
    read: Read,
    passed: Passed,
    /// Records that the live view is made of.
    marks: Vec<(i32, Mark)>,
    /// What the topic says against it.
    begins: BTreeMap<i32, i64>,
    replaced: BTreeSet<(i32, i64)>,
    ahead: BTreeMap<i32, VecDeque<ReceivedRecord>>,
    /// Partitions of which too much came; nothing more is kept until they are wanted again.
    parked: BTreeSet<i32>,
}

/// What has been given out.
#[derive(Clone, Default)]
pub(super) struct Passed {
    /// Partition -> next offset.
    positions: Positions,
    pub(super) records: i64,
    /// Of these.
    pub(super) unreadable: i64,
}

impl Passed {
    /// Offsets passed, in all partitions.
    pub(super) fn offsets(&self) -> i64 {
        self.positions.values().sum()
    }
}

impl Reader {
    pub(super) async fn new(
        log: &dyn EventLog,
        topic: &str,
        read: Read,
        marks: Vec<(i32, Mark)>,
    ) -> Result<Self, RebuildError> {
        // A group of its own, without a position: it starts at the earliest record.
        let group = format!("myreservation.rebuild.{}", uuid::Uuid::new_v4());
        Ok(Self {
            subscription: log.subscribe(topic, &group).await?,
            read,
            passed: Passed::default(),
            marks,
            begins: BTreeMap::new(),
            replaced: BTreeSet::new(),
            ahead: BTreeMap::new(),
            parked: BTreeSet::new(),
        })
    }

    pub(super) fn passed(&self) -> &Passed {
        &self.passed
    }

    /// Looks whether the topic has what lies below the bounds; what is gone from its beginning is passed.
    pub(super) async fn look(&mut self, bounds: &Positions) -> Result<(), RebuildError> {
        let bounds: Positions =
            bounds.iter().filter(|(_, bound)| **bound > 0).map(|(p, b)| (*p, *b)).collect();
        let at = bounds.keys().map(|partition| (*partition, Vec::new())).collect();
        let views = self.subscription.look(at).await?;
        for (partition, read_up_to) in bounds {
            let view = views.iter().find(|view| view.partition == partition);
            let (begin, end) = view.map_or((0, 0), |view| (view.begin, view.end));
            if end < read_up_to {
                return Err(RebuildError::Shorter(NotOurLog::EndsBefore { partition, end, read_up_to }));
            }
            if begin > self.position(partition) {
                self.begins.insert(partition, begin);
                self.passed.positions.insert(partition, begin.min(read_up_to));
            }
        }
        Ok(())
    }

    /// What speaks against a view that is made of this topic.
    pub(super) fn objections(&self) -> Vec<String> {
        let mut objections: Vec<String> = self
            .begins
            .iter()
            .map(|(partition, begin)| format!("partition {partition} begins at {begin}, not at 0"))
            .collect();
        for (partition, offset) in &self.replaced {
            objections.push(format!(
                "record {offset} of partition {partition} is not the one that the view was made of: the log was replaced"
            ));
        }
        let missing = self.passed.offsets() - self.passed.records;
        if missing > 0 {
            objections.push(format!("{missing} records are missing (deleted, or taken away by compaction)"));
        }
        objections
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

    /// Forgets what was given out since then.
    pub(super) async fn go_back(&mut self, passed: Passed) -> Result<(), RebuildError> {
        for partition in self.passed.positions.keys().copied().collect::<Vec<_>>() {
            let position = passed.positions.get(&partition).copied().unwrap_or(0);
            self.ahead.remove(&partition);
            self.parked.remove(&partition);
            self.subscription.seek(partition, position).await?;
        }
        self.passed = passed;
        Ok(())
    }

    fn position(&self, partition: i32) -> i64 {
        self.passed.positions.get(&partition).copied().unwrap_or(0)
    }

    fn take(&mut self, partition: i32, bound: i64, most: usize, batch: &mut Batch) -> usize {
        let Some(ahead) = self.ahead.get_mut(&partition) else { return 0 };
        let mut taken = 0;
        while taken < most && ahead.front().is_some_and(|record| record.offset < bound) {
            let Some(record) = ahead.pop_front() else { break };
            if let Err(reason) = (self.read)(batch, &record) {
                self.passed.unreadable += 1;
                tracing::debug!(partition, offset = record.offset, reason, "unreadable record passed over");
            }
            let of_this = self.marks.iter().filter(|(of, _)| *of == partition);
            if of_this.clone().any(|(_, mark)| mark.recognises(&record) == Some(false)) {
                self.replaced.insert((partition, record.offset));
            }
            self.passed.positions.insert(partition, record.offset + 1);
            self.passed.records += 1;
            taken += 1;
        }
        // The last ones below the bound are not there.
        if taken < most && ahead.front().is_some_and(|record| record.offset >= bound) {
            let position = self.passed.positions.entry(partition).or_default();
            *position = bound.max(*position);
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

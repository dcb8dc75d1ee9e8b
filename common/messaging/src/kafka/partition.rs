//! A partition of a subscription, and what has come of it.

use std::collections::VecDeque;

use crate::log::ReceivedRecord;

/// What is taken over from librdkafka, and delivered, at a time: many records of usual size, few that are large.
const LARGEST_DELIVERY: usize = 4_000_000;

/// A partition that is ours.
#[derive(Default)]
pub(super) struct Partition {
    /// librdkafka knows that we have it.
    pub(super) fetching: bool,
    /// Where the caller wants to read from, not yet told to librdkafka.
    pub(super) sought: Option<i64>,
    pub(super) committed: Option<i64>,
    /// What the broker knows of it.
    pub(super) told: Option<i64>,
    /// Behind the last record that came; none came since the last seek.
    pub(super) received: Option<i64>,
    /// Nothing but markers of transactions is behind `received`.
    pub(super) at_end: bool,
    records: VecDeque<ReceivedRecord>,
    /// Of these.
    bytes: usize,
}

/// What a record takes in memory, about.
fn size(received: &ReceivedRecord) -> usize {
    let record = &received.record;
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.payload.len() + record.key.as_ref().map_or(0, String::len) + headers + 100
}

impl Partition {
    /// All that came is committed, and the end was reached: what is behind by offsets may be markers of transactions.
    pub(super) fn seems_done(&self) -> bool {
        self.at_end && self.committed.is_some() && self.committed >= self.received
    }

    /// What came of it. How many records are here now; very many where they are large.
    pub(super) fn keep(&mut self, record: ReceivedRecord) -> usize {
        self.received = Some(record.offset + 1);
        self.at_end = false;
        self.bytes += size(&record);
        self.records.push_back(record);
        if self.bytes < LARGEST_DELIVERY { self.records.len() } else { usize::MAX }
    }

    pub(super) fn has_some(&self) -> bool {
        !self.records.is_empty()
    }

    pub(super) fn take(&mut self, max: usize) -> Vec<ReceivedRecord> {
        let mut bytes = 0;
        let count = self.records.iter().take(max).take_while(|record| {
            let first = bytes == 0;
            bytes += size(record);
            first || bytes <= LARGEST_DELIVERY
        });
        let count = count.count();
        let taken: Vec<ReceivedRecord> = self.records.drain(..count).collect();
        self.bytes = self.records.iter().map(size).sum();
        taken
    }

    /// What came from the old place is of no use.
    pub(super) fn seek(&mut self, offset: i64) {
        self.sought = Some(offset.max(0));
        self.committed = self.sought;
        self.told = self.sought;
        self.received = None;
        self.at_end = false;
        self.records.clear();
        self.bytes = 0;
    }
}

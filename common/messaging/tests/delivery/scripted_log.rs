//! A log that says what it is told to, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, pending, ready};
use messaging::{
    EventLog, EventLogError, PartitionView, Polled, PublishError, ReceivedRecord, Record, Subscription, Tail,
};
use testkit::record;

use crate::rig::TOPIC;

#[derive(Clone)]
pub(crate) enum Line {
    Says(Polled),
    Breaks,
}

#[derive(Clone, Default)]
pub(crate) struct ScriptedLog {
    script: Arc<Mutex<VecDeque<Line>>>,
    /// Partition and offset, in the order in which they were asked for.
    pub(crate) seeks: Arc<Mutex<Vec<(i32, i64)>>>,
    pub(crate) commits: Arc<Mutex<Vec<(i32, i64)>>>,
    pub(crate) subscriptions: Arc<Mutex<usize>>,
    /// How often it was asked how far behind the group is. It never answers.
    pub(crate) asked_for_lag: Arc<AtomicUsize>,
    pub(crate) lies: Arc<Mutex<Lies>>,
    /// How often it was looked at.
    pub(crate) looks: Arc<AtomicUsize>,
}

/// How it lies there, for whoever looks at it.
#[derive(Clone, Default)]
pub(crate) struct Lies {
    pub(crate) begin: i64,
    /// Never, if nothing is said.
    pub(crate) end: Option<i64>,
    /// Other records at the same offsets.
    pub(crate) replaced: bool,
    /// What is looked for is no longer there.
    pub(crate) compacted: bool,
}

pub(crate) fn assigned() -> Line {
    Line::Says(Polled::Assigned(vec![0]))
}

pub(crate) fn revoked() -> Line {
    Line::Says(Polled::Revoked(vec![0]))
}

/// Records whose payloads are their offsets.
pub(crate) fn records(offsets: impl IntoIterator<Item = i64>) -> Line {
    Line::Says(Polled::Records(offsets.into_iter().map(received).collect()))
}

fn received(offset: i64) -> ReceivedRecord {
    ReceivedRecord { partition: 0, offset, record: record(TOPIC, offset % 3, offset) }
}

impl ScriptedLog {
    pub(crate) fn saying(lines: impl IntoIterator<Item = Line>) -> Arc<Self> {
        let log = Self::default();
        log.say(lines);
        Arc::new(log)
    }

    pub(crate) fn say(&self, lines: impl IntoIterator<Item = Line>) {
        self.script.lock().unwrap().extend(lines);
    }

    pub(crate) fn is_through(&self) -> bool {
        self.script.lock().unwrap().is_empty()
    }

    pub(crate) fn lies(&self, lies: Lies) {
        *self.lies.lock().unwrap() = lies;
    }

    pub(crate) fn seeks(&self) -> Vec<(i32, i64)> {
        self.seeks.lock().unwrap().clone()
    }
}

#[async_trait]
impl EventLog for ScriptedLog {
    async fn publish(&self, records: &[Record]) -> Vec<Result<(), PublishError>> {
        records.iter().map(|_| Err(PublishError::Closed)).collect()
    }

    async fn subscribe(&self, _: &str, _: &str) -> Result<Box<dyn Subscription>, EventLogError> {
        *self.subscriptions.lock().unwrap() += 1;
        Ok(Box::new(self.clone()))
    }

    async fn tail(&self, _: &str, _: &str, _: i64) -> Result<Box<dyn Tail>, EventLogError> {
        Err(EventLogError::Closed)
    }

    async fn ping(&self) -> Result<(), EventLogError> {
        Ok(())
    }

    async fn ensure_topic(&self, _: &str) -> Result<(), EventLogError> {
        Ok(())
    }

    async fn dangers(&self, _: &str) -> Result<Vec<String>, EventLogError> {
        Ok(Vec::new())
    }

    async fn flush_and_close(&self) {}
}

#[async_trait]
impl Subscription for ScriptedLog {
    async fn poll(&mut self, _: usize, wait: Duration) -> Result<Polled, EventLogError> {
        let line = self.script.lock().unwrap().pop_front();
        match line {
            Some(Line::Says(polled)) => Ok(polled),
            Some(Line::Breaks) => {
                Err(EventLogError::Unavailable { doing: "reading", source: "the script says so".into() })
            }
            None => {
                tokio::time::sleep(wait.min(Duration::from_millis(5))).await;
                Ok(Polled::Records(Vec::new()))
            }
        }
    }

    async fn seek(&mut self, partition: i32, offset: i64) -> Result<(), EventLogError> {
        self.seeks.lock().unwrap().push((partition, offset));
        Ok(())
    }

    async fn commit(&mut self, partition: i32, next_offset: i64) -> Result<(), EventLogError> {
        self.commits.lock().unwrap().push((partition, next_offset));
        Ok(())
    }

    fn look(
        &mut self,
        at: Vec<(i32, Vec<i64>)>,
    ) -> BoxFuture<'static, Result<Vec<PartitionView>, EventLogError>> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let lies = self.lies.lock().unwrap().clone();
        let view = |(partition, offsets): (i32, Vec<i64>)| PartitionView {
            partition,
            begin: lies.begin,
            end: lies.end.unwrap_or(i64::MAX),
            records: offsets
                .into_iter()
                .filter(|offset| *offset >= lies.begin && !lies.compacted)
                .map(|offset| match lies.replaced {
                    true => ReceivedRecord { record: record(TOPIC, offset, "another"), partition, offset },
                    false => received(offset),
                })
                .collect(),
        };
        ready(Ok(at.into_iter().map(view).collect())).boxed()
    }

    fn lag(&mut self) -> BoxFuture<'static, Result<Vec<(i32, i64)>, EventLogError>> {
        self.asked_for_lag.fetch_add(1, Ordering::Relaxed);
        pending().boxed()
    }
}

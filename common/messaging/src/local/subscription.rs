//! A subscriber of a group on the local log.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use super::driver::{Command, Driver};
use super::lease::{FENCE, Member, Ownership};
use super::reader::LocalReader;
use crate::log::{EventLogError, PartitionView, Polled, ReceivedRecord, Subscription};

/// A topic has one partition.
const PARTITION: i32 = 0;

pub(super) struct LocalSubscription {
    driver: Arc<Driver>,
    reader: LocalReader,
    id: String,
    topic: String,
    group: String,
    ownership: watch::Receiver<Ownership>,
    appended: watch::Receiver<i64>,
    /// The term for which the caller was told `Assigned`.
    told: Option<u64>,
    /// The next offset to read; unknown from the assignment to the first poll behind it.
    next: Option<i64>,
    committed: Option<i64>,
    /// What `appended` said when everything had been read.
    read_up_to: Option<i64>,
}

impl LocalSubscription {
    pub(super) async fn join(driver: &Arc<Driver>, topic: &str, group: &str) -> Result<Self, EventLogError> {
        let reader = LocalReader::open(&driver.path).await?;
        let id = uuid::Uuid::new_v4().to_string();
        let (sender, ownership) = watch::channel(Ownership::Waiting);
        driver.send(Command::Join(Member {
            id: id.clone(),
            topic: topic.to_owned(),
            group: group.to_owned(),
            ownership: sender,
            terms: 0,
            observed: None,
        }))?;
        Ok(Self {
            appended: driver.appended.clone(),
            driver: Arc::clone(driver),
            reader,
            id,
            topic: topic.to_owned(),
            group: group.to_owned(),
            ownership,
            told: None,
            next: None,
            committed: None,
            read_up_to: None,
        })
    }

    /// What changed in the ownership since the caller was told last.
    fn news(&mut self) -> Option<Polled> {
        let now = match *self.ownership.borrow_and_update() {
            Ownership::Waiting => None,
            Ownership::Held { term, .. } => Some(term),
        };
        if self.told == now {
            return None;
        }
        if self.told.take().is_some() {
            return Some(Polled::Revoked(vec![PARTITION]));
        }
        self.told = now;
        self.next = None;
        self.committed = None;
        self.read_up_to = None;
        Some(Polled::Assigned(vec![PARTITION]))
    }

    /// Whether the lease is surely ours at this moment. Asks for a confirmation if it is not sure.
    fn is_ours(&self) -> Result<bool, EventLogError> {
        match *self.ownership.borrow() {
            Ownership::Held { term, confirmed } if Some(term) == self.told => {
                let sure = confirmed.elapsed() < FENCE;
                if !sure {
                    self.driver.send(Command::Confirm)?;
                }
                Ok(sure)
            }
            _ => Ok(false),
        }
    }

    async fn read(&mut self, max: usize) -> Result<Vec<ReceivedRecord>, EventLogError> {
        // Before reading: what is appended meanwhile is read the next time.
        let appended = *self.appended.borrow_and_update();
        if self.read_up_to == Some(appended) {
            return Ok(Vec::new());
        }
        let next = match self.next {
            Some(next) => next,
            None => {
                let stored = self.reader.group_position(&self.topic, &self.group).await?;
                self.committed = stored;
                *self.next.insert(stored.unwrap_or(0))
            }
        };
        let records = self.reader.read_from(&self.topic, next, max).await?;
        if records.len() < max {
            self.read_up_to = Some(appended);
        }
        Ok(records)
    }
}

#[async_trait]
impl Subscription for LocalSubscription {
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Polled, EventLogError> {
        let max = max.max(1);
        let deadline = Instant::now() + wait;
        loop {
            if let Some(news) = self.news() {
                return Ok(news);
            }
            if self.is_ours()? {
                let records = self.read(max).await?;
                if let Some(last) = records.last() {
                    // Reading took its time: is it still ours?
                    if self.is_ours()? {
                        self.next = Some(last.offset + 1);
                        return Ok(Polled::Records(records));
                    }
                    self.read_up_to = None;
                    continue;
                }
            }
            tokio::select! {
                changed = self.ownership.changed() => changed.map_err(|_| EventLogError::Closed)?,
                changed = self.appended.changed() => changed.map_err(|_| EventLogError::Closed)?,
                () = tokio::time::sleep_until(deadline) => return Ok(Polled::Records(Vec::new())),
            }
        }
    }

    async fn seek(&mut self, partition: i32, offset: i64) -> Result<(), EventLogError> {
        if partition == PARTITION && self.told.is_some() {
            self.next = Some(offset.max(0));
            self.committed = self.next;
            self.read_up_to = None;
        }
        Ok(())
    }

    async fn commit(&mut self, partition: i32, next_offset: i64) -> Result<(), EventLogError> {
        if partition != PARTITION || self.told.is_none() {
            return Ok(());
        }
        self.committed = Some(next_offset);
        self.driver.send(Command::Commit {
            topic: self.topic.clone(),
            group: self.group.clone(),
            next_position: next_offset,
        })
    }

    fn look(
        &mut self,
        at: Vec<(i32, Vec<i64>)>,
    ) -> BoxFuture<'static, Result<Vec<PartitionView>, EventLogError>> {
        let (path, topic) = (self.driver.path.clone(), self.topic.clone());
        let answer = async move {
            let mut reader = LocalReader::open(&path).await?;
            let mut views = Vec::new();
            for (partition, offsets) in at.into_iter().filter(|(partition, _)| *partition == PARTITION) {
                let (begin, end) = reader.bounds(&topic).await?;
                let mut records = Vec::new();
                for offset in offsets {
                    let found = reader.read_from(&topic, offset, 1).await?;
                    records.extend(found.into_iter().filter(|record| record.offset == offset));
                }
                views.push(PartitionView { partition, begin, end, records });
            }
            Ok(views)
        };
        answer.boxed()
    }

    fn lag(&mut self) -> BoxFuture<'static, Result<Vec<(i32, i64)>, EventLogError>> {
        if self.told.is_none() {
            return ready(Ok(Vec::new())).boxed();
        }
        let (path, topic, group) = (self.driver.path.clone(), self.topic.clone(), self.group.clone());
        let committed = self.committed;
        let answer = async move {
            let mut reader = LocalReader::open(&path).await?;
            let done = match committed {
                Some(committed) => committed,
                None => reader.group_position(&topic, &group).await?.unwrap_or(0),
            };
            let (_, end) = reader.bounds(&topic).await?;
            Ok(vec![(PARTITION, (end - done).max(0))])
        };
        answer.boxed()
    }
}

impl Drop for LocalSubscription {
    fn drop(&mut self) {
        // If the driver has ended already, so have its leases.
        let _ = self.driver.send(Command::Leave { id: std::mem::take(&mut self.id) });
    }
}

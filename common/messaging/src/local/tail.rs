//! The end of a topic of the local log, read without a group.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;

use super::driver::{Command, Driver};
use super::reader::LocalReader;
use crate::log::{EventLogError, ReceivedRecord, Tail};

pub(super) struct LocalTail {
    reader: LocalReader,
    topic: String,
    appended: watch::Receiver<i64>,
    next: i64,
    /// Where the topic ended when the tail was opened.
    end_then: i64,
    /// What `appended` said when everything had been read.
    read_up_to: Option<i64>,
    /// Looks on behalf of the tail whether others have appended something.
    _driver: Arc<Driver>,
}

impl LocalTail {
    pub(super) async fn open(driver: &Arc<Driver>, topic: &str, from_ms: i64) -> Result<Self, EventLogError> {
        let mut reader = LocalReader::open(&driver.path).await?;
        let next = reader.first_since(topic, from_ms).await?;
        let (_, end_then) = reader.bounds(topic).await?;
        let appended = driver.appended.clone();
        // From now on it looks.
        driver.send(Command::Look)?;
        Ok(Self {
            reader,
            topic: topic.to_owned(),
            appended,
            next,
            end_then,
            read_up_to: None,
            _driver: Arc::clone(driver),
        })
    }
}

#[async_trait]
impl Tail for LocalTail {
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<ReceivedRecord>, EventLogError> {
        let max = max.max(1);
        let deadline = Instant::now() + wait;
        loop {
            // Before reading: what is appended meanwhile is read the next time.
            let appended = *self.appended.borrow_and_update();
            if self.read_up_to != Some(appended) {
                let records = self.reader.read_from(&self.topic, self.next, max).await?;
                if records.len() < max {
                    self.read_up_to = Some(appended);
                }
                if let Some(last) = records.last() {
                    self.next = last.offset + 1;
                    return Ok(records);
                }
            }
            tokio::select! {
                changed = self.appended.changed() => changed.map_err(|_| EventLogError::Closed)?,
                () = tokio::time::sleep_until(deadline) => return Ok(Vec::new()),
            }
        }
    }

    fn has_caught_up(&self) -> bool {
        self.next >= self.end_then
    }
}

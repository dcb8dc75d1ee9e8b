//! The event log in a file: durable, for one machine, nothing to install.
//!
//! A topic has one partition, 0, with offsets 0, 1, 2, ... Several processes may have the file open, and several logs
//! in one process: those share one thread that writes ([`driver`]), so that records which services publish at the
//! same time become durable with one `fsync`. Reading order: [`mod@file`] (tables), [`driver`], [`append`], [`condition`]
//! (whether it works), [`lease`] (who of a group reads), [`subscription`],
//! [`tail`].

mod append;
mod condition;
mod driver;
mod file;
mod lease;
mod reader;
mod subscription;
mod tail;
mod transaction;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, oneshot};

pub use self::reader::LocalReader;

use self::driver::{Command, Driver};
use self::subscription::LocalSubscription;
use self::tail::LocalTail;
use crate::log::{EventLog, EventLogError, PublishError, Record, Refusal, RefusalScope, Subscription, Tail};
use crate::settings::check_topic;

/// As large a record as Kafka takes by default.
const MAX_RECORD_BYTES: usize = 1_000_000;
/// How long a disk may take until a call gives up on it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The drivers of this process, by file.
static DRIVERS: Mutex<Option<HashMap<PathBuf, Weak<Driver>>>> = Mutex::const_new(None);

/// An event log in an SQLite file.
pub struct LocalLog {
    driver: Arc<Driver>,
    closed: AtomicBool,
}

impl LocalLog {
    /// Opens the file, creates it if it is not there, and its directory too.
    ///
    /// # Errors
    /// A directory that cannot be written, a file that is something else.
    pub async fn open(path: &Path) -> Result<Self, EventLogError> {
        let path =
            file::absolute(path).map_err(|e| EventLogError::unavailable("creating its directory", e))?;
        // Held while opening: two services that start together get one driver.
        let mut drivers = DRIVERS.lock().await;
        let drivers = drivers.get_or_insert_default();
        drivers.retain(|_, driver| driver.strong_count() > 0);
        let driver = match drivers.get(&path).and_then(Weak::upgrade) {
            Some(driver) => driver,
            None => {
                let driver = Arc::new(Driver::start(&path).await?);
                drivers.insert(path, Arc::downgrade(&driver));
                driver
            }
        };
        Ok(Self { driver, closed: AtomicBool::new(false) })
    }

    /// Asks the driver and waits for its answer.
    async fn ask<T>(
        &self,
        doing: &'static str,
        command: impl FnOnce(oneshot::Sender<Result<T, EventLogError>>) -> Command,
    ) -> Result<T, EventLogError> {
        let (answer, answered) = oneshot::channel();
        self.driver.send(command(answer))?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(EventLogError::Closed),
            Err(elapsed) => Err(EventLogError::unavailable(doing, elapsed)),
        }
    }
}

#[async_trait]
impl EventLog for LocalLog {
    async fn publish(&self, records: &[Record]) -> Vec<Result<(), PublishError>> {
        if self.closed.load(Ordering::Acquire) {
            return records.iter().map(|_| Err(PublishError::Closed)).collect();
        }
        let mut results = accept(records);
        let accepted: Vec<Record> = std::iter::zip(records, &results)
            .filter(|(_, result)| result.is_ok())
            .map(|(record, _)| record.clone())
            .collect();
        if accepted.is_empty() {
            return results;
        }
        let published = self.ask("appending", |answer| Command::Publish { records: accepted, answer }).await;
        if let Err(error) = published {
            // One transaction: all of them failed, for one reason.
            let error = Arc::new(error);
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(PublishError::Unacknowledged(Box::new(Arc::clone(&error))));
            }
        }
        results
    }

    async fn subscribe(&self, topic: &str, group: &str) -> Result<Box<dyn Subscription>, EventLogError> {
        check_topic("topic", topic).map_err(|invalid| EventLogError::refused("subscribing", invalid))?;
        let subscription = LocalSubscription::join(&self.driver, topic, group).await?;
        Ok(Box::new(subscription))
    }

    async fn tail(&self, topic: &str, _reader: &str, from_ms: i64) -> Result<Box<dyn Tail>, EventLogError> {
        check_topic("topic", topic).map_err(|invalid| EventLogError::refused("reading", invalid))?;
        Ok(Box::new(LocalTail::open(&self.driver, topic, from_ms).await?))
    }

    async fn ping(&self) -> Result<(), EventLogError> {
        self.ask("answering", |answer| Command::Ping { answer }).await
    }

    async fn ensure_topic(&self, topic: &str) -> Result<(), EventLogError> {
        check_topic("topic", topic).map_err(|invalid| EventLogError::refused("creating a topic", invalid))?;
        let topic = topic.to_owned();
        self.ask("creating a topic", |answer| Command::EnsureTopic { topic, answer }).await
    }

    async fn dangers(&self, _topic: &str) -> Result<Vec<String>, EventLogError> {
        Ok(Vec::new())
    }

    async fn flush_and_close(&self) {
        self.closed.store(true, Ordering::Release);
        // Commands are done in order, so what was published before is written when this is answered.
        if let Err(error) = self.ping().await {
            tracing::warn!(%error, "the event log did not finish writing before it was closed");
        }
    }
}

/// Which records can be in a log at all; behind a refused one, its key waits.
fn accept(records: &[Record]) -> Vec<Result<(), PublishError>> {
    let mut refused_keys = Vec::new();
    let mut results = Vec::with_capacity(records.len());
    for record in records {
        let place = (&record.topic, &record.key);
        let result = if record.key.is_some() && refused_keys.contains(&place) {
            Err(PublishError::Predecessor)
        } else {
            check_record(record)
        };
        if matches!(result, Err(PublishError::Refused(_))) {
            refused_keys.push(place);
        }
        results.push(result);
    }
    results
}

fn check_record(record: &Record) -> Result<(), PublishError> {
    let refused = |code: &str, reason, scope| {
        Err(PublishError::Refused(Refusal { code: code.to_owned(), reason, scope }))
    };
    if let Err(invalid) = check_topic("topic", &record.topic) {
        return refused("invalid topic", invalid.reason, RefusalScope::Topic);
    }
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let size = record.payload.len() + record.key.as_ref().map_or(0, String::len) + headers;
    if size > MAX_RECORD_BYTES {
        let reason = format!("{size} bytes are more than the {MAX_RECORD_BYTES} that a record may have");
        return refused("too large", reason, RefusalScope::Record);
    }
    Ok(())
}

use std::path::{Path, PathBuf};
use std::sync::Arc;

use messaging::local::{LocalLog, LocalReader};
use messaging::{EventLog, EventLogSettings, ReceivedRecord, Record};
use tempfile::TempDir;

use crate::faulty_log::FaultyLog;

/// A local log of one test, behind a [`FaultyLog`].
pub struct TestLog {
    path: PathBuf,
    inner: Arc<dyn EventLog>,
    faulty: Arc<FaultyLog>,
    _directory: TempDir,
}

/// A record as tests need it: its payload is a text.
pub fn record(topic: &str, key: impl ToString, payload: impl ToString) -> Record {
    Record {
        topic: topic.to_owned(),
        key: Some(key.to_string()),
        payload: payload.to_string().into_bytes(),
        headers: Vec::new(),
        timestamp_ms: 1_662_883_010_408,
    }
}

impl TestLog {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("events.db");
        let inner: Arc<dyn EventLog> = Arc::new(LocalLog::open(&path).await.expect("a new log opens"));
        Self { faulty: Arc::new(FaultyLog::new(inner.clone())), inner, path, _directory: directory }
    }

    /// What is tested gets this one.
    pub fn log(&self) -> Arc<dyn EventLog> {
        self.faulty.clone()
    }

    /// What goes wrong in [`TestLog::log`].
    pub fn faults(&self) -> &FaultyLog {
        &self.faulty
    }

    /// Another one on the same log, with faults of its own: another replica's.
    pub fn another(&self) -> Arc<FaultyLog> {
        Arc::new(FaultyLog::new(self.inner.clone()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For whoever opens it himself, an `Application` for instance.
    pub fn settings(&self, topic: &str) -> EventLogSettings {
        EventLogSettings {
            url: format!("sqlite://{}", self.path.display()),
            topic: topic.to_owned(),
            ..EventLogSettings::default()
        }
    }

    /// Appends, past all faults.
    pub async fn publish(&self, records: &[Record]) {
        for result in self.inner.publish(records).await {
            result.expect("the local log appends");
        }
    }

    /// The topic as it lies on the disk, past all faults.
    pub async fn records(&self, topic: &str) -> Vec<ReceivedRecord> {
        let mut reader = LocalReader::open(&self.path).await.expect("the log can be read");
        reader.read_from(topic, 0, usize::MAX).await.expect("the log can be read")
    }

    /// The payloads of a topic as texts.
    pub async fn payloads(&self, topic: &str) -> Vec<String> {
        let records = self.records(topic).await;
        records.into_iter().map(|r| String::from_utf8_lossy(&r.record.payload).into_owned()).collect()
    }
}

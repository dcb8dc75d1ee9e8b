//! Who follows the end of a topic: nothing is stored, so a process that starts reads again what still matters.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use resilience::Backoff;
use tokio_util::sync::CancellationToken;

use crate::log::{EventLog, EventLogError, ReceivedRecord};

const MOST: usize = 500;
const WAIT: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Until another try while the log is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A topic that is about to be created is no trouble, nor is an outage of a moment.
const SAID_AFTER: Duration = Duration::from_secs(5);
const SAID_EVERY: Duration = Duration::from_secs(30);

/// Reads a topic from some time ago on, and gives each record away. The same record may come again, after the log was away.
pub struct Follower<F> {
    pub topic: String,
    /// The service.
    pub reader: &'static str,
    pub log: Arc<dyn EventLog>,
    /// Older records no longer matter.
    pub since: Duration,
    pub status: FollowerStatus,
    /// Given a record, and whether it is news: it was appended after everything old had been read.
    pub record: F,
}

/// How far a [`Follower`] is.
#[derive(Clone, Debug, Default)]
pub struct FollowerStatus(Arc<Mutex<Progress>>);

#[derive(Debug, Default)]
struct Progress {
    caught_up: bool,
    away: Option<(Instant, String)>,
}

impl FollowerStatus {
    /// Whether everything has been read once that lay in the topic at the start.
    pub fn has_caught_up(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).caught_up
    }

    /// How long the topic could not be read, and why.
    pub fn away(&self) -> Option<(Duration, String)> {
        let progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        progress.away.as_ref().map(|(since, why)| (since.elapsed(), why.clone()))
    }

    fn reads(&self, caught_up: bool) {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        progress.caught_up |= caught_up;
        progress.away = None;
    }

    /// Since when.
    fn cannot_read(&self, why: String) -> Instant {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = progress.away.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        progress.away = Some((since, why));
        since
    }
}

impl<F: Fn(&ReceivedRecord, bool) + Send + Sync> Follower<F> {
    /// Reads until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut said: Option<Instant> = None;
        loop {
            let Err(error) = self.read(&mut backoff).await;
            let why = telemetry::error_chain(&error);
            let since = self.status.cannot_read(why.clone());
            if since.elapsed() >= SAID_AFTER && said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
                said = Some(Instant::now());
                tracing::warn!(error = why, topic = self.topic, "the topic cannot be followed; trying again");
            }
            tokio::time::sleep(backoff.next_pause()).await;
        }
    }

    async fn read(&self, backoff: &mut Backoff) -> Result<std::convert::Infallible, EventLogError> {
        let since = i64::try_from(self.since.as_millis()).unwrap_or(i64::MAX);
        let from_ms = storage::now_ms().saturating_sub(since);
        let mut tail = self.log.tail(&self.topic, self.reader, from_ms).await?;
        loop {
            let is_news = tail.has_caught_up();
            for record in &tail.poll(MOST, WAIT).await? {
                (self.record)(record, is_news);
            }
            backoff.succeeded();
            self.status.reads(tail.has_caught_up());
        }
    }
}

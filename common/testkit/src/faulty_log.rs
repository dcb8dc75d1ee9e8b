use std::collections::{HashSet, VecDeque};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use messaging::{
    EventLog, EventLogError, PartitionView, Polled, PublishError, ReceivedRecord, Record, Refusal,
    RefusalScope, Subscription, Tail,
};
use tokio::sync::watch;

/// What happens to a call of `publish`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    /// Nothing is written, everything fails.
    Fails,
    /// Everything is written, and reported as failed.
    LosesAcknowledgement,
}

type Which = Box<dyn Fn(&Record) -> Option<RefusalScope> + Send>;

#[derive(Default)]
struct Faults {
    away: bool,
    /// Of the next calls.
    fates: VecDeque<Fate>,
    refuses: Option<Which>,
    calls: usize,
}

/// Which calls of `publish` answer nothing for now.
#[derive(Default)]
struct Stuck {
    all: bool,
    topics: HashSet<String>,
}

impl Stuck {
    fn holds(&self, records: &[Record]) -> bool {
        self.all || records.iter().any(|record| self.topics.contains(&record.topic))
    }
}

/// A log that fails when it is told to, around one that works.
pub struct FaultyLog {
    inner: Arc<dyn EventLog>,
    faults: Arc<Mutex<Faults>>,
    stuck: watch::Sender<Stuck>,
}

impl FaultyLog {
    pub fn new(inner: Arc<dyn EventLog>) -> Self {
        Self { inner, faults: Arc::default(), stuck: watch::Sender::default() }
    }

    /// From now on `publish` answers nothing, until [`FaultyLog::get_unstuck`].
    pub fn get_stuck(&self) {
        self.stuck.send_modify(|stuck| stuck.all = true);
    }

    pub fn get_unstuck(&self) {
        self.stuck.send_modify(|stuck| stuck.all = false);
    }

    /// From now on nothing is published or delivered.
    pub fn go_away(&self) {
        self.faults().away = true;
    }

    pub fn come_back(&self) {
        self.faults().away = false;
    }

    /// The `nth` call of `publish` from now on (1: the next) fails and writes nothing.
    pub fn fail_publish(&self, nth: usize) {
        self.fate(nth, Fate::Fails);
    }

    /// The `nth` call of `publish` from now on (1: the next) writes everything and reports a failure.
    pub fn lose_acknowledgement(&self, nth: usize) {
        self.fate(nth, Fate::LosesAcknowledgement);
    }

    /// Refuses these records for ever, and with each the later ones of its key in the same call.
    pub fn refuse(&self, which: impl Fn(&Record) -> bool + Send + 'static) {
        self.faults().refuses = Some(Box::new(move |record| which(record).then_some(RefusalScope::Record)));
    }

    /// Refuses this topic: it is not there, for instance.
    pub fn refuse_topic(&self, topic: &str) {
        let topic = topic.to_owned();
        self.faults().refuses =
            Some(Box::new(move |record| (record.topic == topic).then_some(RefusalScope::Topic)));
    }

    pub fn refuse_nothing(&self) {
        self.faults().refuses = None;
    }

    /// Calls with a record of this topic answer nothing, until [`FaultyLog::get_topic_unstuck`].
    pub fn get_topic_stuck(&self, topic: &str) {
        self.stuck.send_modify(|stuck| {
            stuck.topics.insert(topic.to_owned());
        });
    }

    pub fn get_topic_unstuck(&self, topic: &str) {
        self.stuck.send_modify(|stuck| {
            stuck.topics.remove(topic);
        });
    }

    /// How often `publish` was called.
    pub fn publish_calls(&self) -> usize {
        self.faults().calls
    }

    fn fate(&self, nth: usize, fate: Fate) {
        let mut faults = self.faults();
        let nth = nth.max(1);
        if faults.fates.len() < nth {
            faults.fates.resize(nth, Fate::Passes);
        }
        faults.fates[nth - 1] = fate;
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether each record is taken, and what happens to those that are.
    fn judge(&self, records: &[Record]) -> (Fate, Vec<Result<(), PublishError>>) {
        let mut faults = self.faults();
        faults.calls += 1;
        let fate = faults.fates.pop_front().unwrap_or(Fate::Passes);
        let fate = if faults.away { Fate::Fails } else { fate };
        let mut refused = Vec::new();
        let mut verdicts = Vec::with_capacity(records.len());
        for record in records {
            let place = (&record.topic, &record.key);
            verdicts.push(if record.key.is_some() && refused.contains(&place) {
                Err(PublishError::Predecessor)
            } else if let Some(scope) = faults.refuses.as_ref().and_then(|refuses| refuses(record)) {
                refused.push(place);
                Err(PublishError::Refused(Refusal {
                    code: "test".to_owned(),
                    reason: "the test refuses it".to_owned(),
                    scope,
                }))
            } else {
                Ok(())
            });
        }
        (fate, verdicts)
    }
}

fn unacknowledged() -> PublishError {
    PublishError::Unacknowledged("the test's fault".into())
}

fn away(doing: &'static str) -> EventLogError {
    EventLogError::Unavailable { doing, source: "the test's fault".into() }
}

#[async_trait]
impl EventLog for FaultyLog {
    async fn publish(&self, records: &[Record]) -> Vec<Result<(), PublishError>> {
        let (fate, mut verdicts) = self.judge(records);
        let _ = self.stuck.subscribe().wait_for(|stuck| !stuck.holds(records)).await;
        if fate == Fate::Fails {
            return records.iter().map(|_| Err(unacknowledged())).collect();
        }
        let taken: Vec<Record> = std::iter::zip(records, &verdicts)
            .filter(|(_, verdict)| verdict.is_ok())
            .map(|(record, _)| record.clone())
            .collect();
        let mut results = self.inner.publish(&taken).await.into_iter();
        for verdict in verdicts.iter_mut().filter(|verdict| verdict.is_ok()) {
            *verdict = results.next().expect("one result a record");
            if fate == Fate::LosesAcknowledgement {
                *verdict = Err(unacknowledged());
            }
        }
        verdicts
    }

    async fn subscribe(&self, topic: &str, group: &str) -> Result<Box<dyn Subscription>, EventLogError> {
        let inner = self.inner.subscribe(topic, group).await?;
        Ok(Box::new(FaultySubscription { inner, faults: self.faults.clone() }))
    }

    async fn tail(&self, topic: &str, reader: &str, from_ms: i64) -> Result<Box<dyn Tail>, EventLogError> {
        if self.faults().away {
            return Err(away("opening the end of a topic"));
        }
        let inner = self.inner.tail(topic, reader, from_ms).await?;
        Ok(Box::new(FaultyTail { inner, faults: self.faults.clone() }))
    }

    async fn ping(&self) -> Result<(), EventLogError> {
        if self.faults().away {
            return Err(away("answering"));
        }
        self.inner.ping().await
    }

    async fn ensure_topic(&self, topic: &str) -> Result<(), EventLogError> {
        if self.faults().away {
            return Err(away("creating a topic"));
        }
        self.inner.ensure_topic(topic).await
    }

    async fn dangers(&self, topic: &str) -> Result<Vec<String>, EventLogError> {
        self.inner.dangers(topic).await
    }

    async fn flush_and_close(&self) {
        self.inner.flush_and_close().await;
    }
}

struct FaultySubscription {
    inner: Box<dyn Subscription>,
    faults: Arc<Mutex<Faults>>,
}

impl FaultySubscription {
    fn is_away(&self) -> bool {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).away
    }
}

#[async_trait]
impl Subscription for FaultySubscription {
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Polled, EventLogError> {
        if self.is_away() {
            // As the port has it: nothing comes, and that is no error.
            tokio::time::sleep(wait.min(Duration::from_millis(20))).await;
            return Ok(Polled::Records(Vec::new()));
        }
        self.inner.poll(max, wait).await
    }

    async fn seek(&mut self, partition: i32, offset: i64) -> Result<(), EventLogError> {
        self.inner.seek(partition, offset).await
    }

    async fn commit(&mut self, partition: i32, next_offset: i64) -> Result<(), EventLogError> {
        self.inner.commit(partition, next_offset).await
    }

    fn look(
        &mut self,
        at: Vec<(i32, Vec<i64>)>,
    ) -> BoxFuture<'static, Result<Vec<PartitionView>, EventLogError>> {
        if self.is_away() {
            return ready(Err(away("looking at the log"))).boxed();
        }
        self.inner.look(at)
    }

    fn lag(&mut self) -> BoxFuture<'static, Result<Vec<(i32, i64)>, EventLogError>> {
        if self.is_away() {
            return ready(Err(away("asking for the end of the log"))).boxed();
        }
        self.inner.lag()
    }
}

struct FaultyTail {
    inner: Box<dyn Tail>,
    faults: Arc<Mutex<Faults>>,
}

#[async_trait]
impl Tail for FaultyTail {
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<ReceivedRecord>, EventLogError> {
        if self.faults.lock().unwrap_or_else(PoisonError::into_inner).away {
            tokio::time::sleep(wait.min(Duration::from_millis(20))).await;
            return Ok(Vec::new());
        }
        // Short: it may go away meanwhile.
        self.inner.poll(max, wait.min(Duration::from_millis(100))).await
    }

    fn has_caught_up(&self) -> bool {
        self.inner.has_caught_up()
    }
}

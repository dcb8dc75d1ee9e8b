//! Running calls of `publish`, one for each topic. So a topic that cannot be written delays only its own records.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use resilience::Backoff;
use tokio::time::Instant;

use crate::log::{EventLog, PublishError, Record};
use crate::outbox::Pending;

#[derive(Default)]
pub(super) struct Lanes {
    under_way: FuturesUnordered<BoxFuture<'static, Sent>>,
    /// Topics to leave out: a call is running, or has failed a moment ago.
    busy: HashMap<String, Busy>,
}

struct Busy {
    /// `None`: a call is under way.
    until: Option<Instant>,
    backoff: Backoff,
}

/// The result of a call.
pub(super) struct Sent {
    /// `None`: the records were held, and may be of several topics.
    pub(super) topic: Option<String>,
    pub(super) ids: Vec<i64>,
    pub(super) records: Vec<Record>,
    pub(super) results: Vec<Result<(), PublishError>>,
}

impl Lanes {
    /// Sends fresh records, a call for each topic.
    pub(super) fn send(&mut self, log: &Arc<dyn EventLog>, fresh: Vec<Pending>) {
        let mut topics: Vec<(String, Vec<Pending>)> = Vec::new();
        for pending in fresh {
            match topics.iter_mut().find(|(topic, _)| *topic == pending.record.topic) {
                Some((_, records)) => records.push(pending),
                None => topics.push((pending.record.topic.clone(), vec![pending])),
            }
        }
        for (topic, records) in topics {
            self.busy.entry(topic.clone()).or_insert_with(Busy::new).until = None;
            self.start(log, Some(topic), records);
        }
    }

    /// Offers held records again.
    pub(super) fn offer(&mut self, log: &Arc<dyn EventLog>, held: Vec<Pending>) {
        self.start(log, None, held);
    }

    fn start(&mut self, log: &Arc<dyn EventLog>, topic: Option<String>, records: Vec<Pending>) {
        let log = log.clone();
        let (ids, records): (Vec<i64>, Vec<Record>) =
            records.into_iter().map(|Pending { id, record }| (id, record)).unzip();
        let call = async move {
            let results = log.publish(&records).await;
            Sent { topic, ids, records, results }
        };
        self.under_way.push(call.boxed());
    }

    /// The next call that ends; `None`: no call is under way.
    pub(super) async fn next(&mut self) -> Option<Sent> {
        self.under_way.next().await
    }

    /// A call for fresh records has ended.
    pub(super) fn ended(&mut self, topic: &str, failed: bool) {
        if !failed {
            self.busy.remove(topic);
        } else if let Some(busy) = self.busy.get_mut(topic) {
            busy.until = Some(Instant::now() + busy.backoff.next_pause());
        }
    }

    pub(super) fn any_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// The topics to leave out now.
    pub(super) fn busy(&self) -> Vec<String> {
        let now = Instant::now();
        let is_busy = |busy: &Busy| busy.until.is_none_or(|until| now < until);
        self.busy.iter().filter(|(_, busy)| is_busy(busy)).map(|(topic, _)| topic.clone()).collect()
    }

    pub(super) fn any_fresh_under_way(&self) -> bool {
        self.busy.values().any(|busy| busy.until.is_none())
    }

    /// `batch` has all records that are left. A resting topic without a record in it has nothing to repeat, and is forgotten.
    pub(super) fn all_there_is(&mut self, batch: &[Pending]) {
        self.busy.retain(|topic, busy| {
            busy.until.is_none() || batch.iter().any(|pending| pending.record.topic == *topic)
        });
    }

    /// A topic has a running call, or has failed and was not written since.
    pub(super) fn any_busy(&self) -> bool {
        !self.busy.is_empty()
    }

    /// The time until the first resting topic may be tried again.
    pub(super) fn rested_in(&self) -> Option<Duration> {
        let first = self.busy.values().filter_map(|busy| busy.until).min()?;
        Some(first.saturating_duration_since(Instant::now()))
    }
}

impl Busy {
    fn new() -> Self {
        Self { until: None, backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(5)) }
    }
}

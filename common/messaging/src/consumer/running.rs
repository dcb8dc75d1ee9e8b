//! The loop: what the log says is settled, taken, measured.

use std::time::Duration;

use storage::Pace;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::partition::{Applied, Standing};
use super::reader::Reader;
use super::{Consumer, replay};
use crate::dead_letters::DeadLetters;
use crate::handler::Handler;
use crate::identity::identity;
use crate::log::{EventLogError, Polled, ReceivedRecord, Subscription};

const POLL_WAIT: Duration = Duration::from_millis(500);
const REQUESTS_EVERY: Duration = Duration::from_secs(1);
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// A position that moved without effects is stored after this time: it spares a commit a record, and a restart reads
/// no more than this again.
const STORED_AFTER: Duration = Duration::from_secs(1);

impl<H: Handler> Consumer<H> {
    /// Reads until `stop`. What is in hand is finished; what is not committed comes again.
    pub async fn run(self, stop: CancellationToken) {
        let longest = Duration::from_millis(self.settings.longest_backoff_ms.max(1));
        let mut reader = Reader::new(self, stop.clone(), longest);
        while !stop.is_cancelled() {
            let consumer = &reader.consumer;
            let id = match identity(consumer.outbox.database()).await {
                Ok(id) => id,
                Err(error) => {
                    reader.pause(&error).await;
                    continue;
                }
            };
            match consumer.log.subscribe_for(&consumer.topic, consumer.group, &id).await {
                Ok(mut subscription) => {
                    let ended = reader.read(subscription.as_mut()).await;
                    reader.forget_partitions();
                    if let Err(error) = ended {
                        reader.pause(&error).await;
                    }
                }
                Err(error) => reader.pause(&error).await,
            }
        }
    }
}

impl<H: Handler> Reader<H> {
    /// # Errors
    /// The subscription is of no use any more.
    pub(super) async fn read(&mut self, subscription: &mut dyn Subscription) -> Result<(), EventLogError> {
        let mut requests_at = Instant::now() + REQUESTS_EVERY;
        let mut metrics_at = Instant::now() + REQUESTS_EVERY;
        let mut wait = POLL_WAIT;
        let mut pace = Pace::new(self.database().commit_delay());
        while !self.stop.is_cancelled() {
            pace.keep().await;
            let polled = tokio::select! {
                polled = subscription.poll(self.consumer.settings.batch, wait) => polled?,
                () = self.stop.cancelled() => break,
            };
            let has_read = matches!(polled, Polled::Records(_));
            match polled {
                Polled::Assigned(partitions) => {
                    for partition in partitions {
                        self.partitions.insert(partition, Standing::unclaimed());
                    }
                }
                Polled::Revoked(partitions) => {
                    for partition in partitions {
                        self.forget(partition);
                    }
                }
                Polled::Records(records) => self.take(subscription, records).await?,
            }
            self.settle(subscription).await?;
            // An assignment says nothing about the log: it may not be readable.
            if has_read && self.all_is_well() {
                self.consumer.status.going();
            }
            wait = POLL_WAIT;
            if Instant::now() >= requests_at {
                if replay::serve_requests(self).await {
                    wait = Duration::ZERO;
                } else {
                    requests_at = Instant::now() + REQUESTS_EVERY;
                }
            }
            if Instant::now() >= metrics_at {
                metrics_at = Instant::now() + METRICS_EVERY;
                self.measure(subscription).await;
            }
            self.show_lags().await;
            self.watch_the_log(subscription).await;
            self.watch_the_group(subscription).await;
            self.store_positions(STORED_AFTER).await;
        }
        self.store_positions(Duration::ZERO).await;
        Ok(())
    }

    async fn take(
        &mut self,
        subscription: &mut dyn Subscription,
        records: Vec<ReceivedRecord>,
    ) -> Result<(), EventLogError> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        let partition = first.partition;
        let Some(position) = self.position(partition) else {
            return Ok(());
        };
        let expected = position.next_offset;
        if first.offset != expected && !self.is_believed(partition, expected, first.offset) {
            return Ok(());
        }
        if let Some(last) = records.last() {
            self.note(partition, last);
        }
        let readings = self.read_all(&records);
        let applied = match self.pass(partition, &records, &readings) {
            Some(next_offset) => Applied::Everything(next_offset),
            None => self.apply(partition, &records, readings).await,
        };
        match applied {
            Applied::Everything(next_offset) => {
                if let Err(error) = subscription.commit(partition, next_offset).await {
                    tracing::debug!(%error, "group offset not committed; the position in the database counts");
                }
            }
            Applied::Lost => self.lost(partition),
            Applied::Doubtful => {
                self.doubt(partition);
            }
            Applied::Stopped => {}
        }
        Ok(())
    }

    async fn measure(&mut self, subscription: &mut dyn Subscription) {
        if self.lags.is_none() {
            self.lags = Some(tokio::spawn(subscription.lag()));
        }
        let topic = &self.consumer.topic;
        if let Ok((dead, waiting)) = DeadLetters::new(self.database().clone()).count_of(topic).await {
            for (status, count) in [("dead", dead), ("waiting", waiting)] {
                let labels = [
                    ("application", self.consumer.group.to_owned()),
                    ("topic", topic.clone()),
                    ("status", status.to_owned()),
                ];
                metrics::gauge!("dead_letters", &labels).set(count as f64);
            }
        }
    }

    /// What the log has answered, once it has.
    async fn show_lags(&mut self) {
        let Some(asked) = self.lags.take_if(|asked| asked.is_finished()) else { return };
        for (partition, lag) in asked.await.map(Result::unwrap_or_default).unwrap_or_default() {
            // The new owner shows those that this process has lost.
            if self.partitions.contains_key(&partition) {
                self.show_lag(partition, lag);
            }
        }
    }
}

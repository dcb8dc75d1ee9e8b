//! Builds the view anew from the topic, beside the live one, and puts it in its place in one transaction.
//!
//! The new view is what the records below the live consumer's position make: never more, so that it can be compared
//! with the old one byte for byte, and never less, so that the consumer goes on behind the swap as if nothing had
//! happened. The last records are applied in the transaction of the swap, which holds the consumer's position; nothing
//! that it does meanwhile can be lost, because it can do nothing until the swap is committed.

mod reader;

use std::time::{Duration, Instant};

use messaging::{EventLog, EventLogError, ReceivedRecord};

use super::ports::{Difference, Positions, Shadow, Swap};
use crate::domain::Batch;
use reader::Reader;

/// Records in one transaction of the bulk.
const BATCH: usize = 4096;
/// This near to the live position, the rest is applied in the transaction of the swap.
const NEAR: i64 = 2000;
/// SQLite has one writer at a time and no queue: this is the live consumer's chance.
const BREATH: Duration = Duration::from_millis(3);
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long the log may deliver nothing although there is something.
const SILENCE: Duration = Duration::from_secs(60);
/// The same while the live consumer is held.
const SILENCE_IN_SWAP: Duration = Duration::from_secs(10);

/// Makes a record part of a batch; the reason where it cannot be.
pub type Read = fn(&mut Batch, &ReceivedRecord) -> Result<(), String>;

pub struct Rebuild<'a> {
    pub shadow: &'a dyn Shadow,
    pub log: &'a dyn EventLog,
    pub topic: &'a str,
    pub read: Read,
    /// Compare the new view with the old one before the swap.
    pub verify: bool,
    /// Told now and then: records done, and records in all.
    pub progress: &'a (dyn Fn(i64, i64) + Sync),
}

#[derive(Debug)]
pub struct Report {
    /// Records of the topic that the new view is made of.
    pub records: i64,
    /// Of these, how many could not be read; they are dead letters of the live consumer too.
    pub unreadable: i64,
    pub took: Duration,
    /// Where asked for: some of what differs, and how many reservations do in all.
    pub differences: Option<(Vec<Difference>, i64)>,
}

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the event log failed")]
    Log(#[from] EventLogError),
    #[error("the event log has delivered nothing for {} s; the topic is not complete, or not there", .0.as_secs())]
    Silent(Duration),
    #[error("another rebuild has taken over")]
    TakenOver,
}

impl Rebuild<'_> {
    /// # Errors
    /// The live view is then as it was, and the unfinished one is removed as far as the database lets us.
    pub async fn run(&self) -> Result<Report, RebuildError> {
        let started = Instant::now();
        let outcome = self.build().await;
        match outcome {
            Ok((records, unreadable, differences)) => {
                Ok(Report { records, unreadable, took: started.elapsed(), differences })
            }
            Err(error) => {
                if let Err(error) = self.shadow.discard().await {
                    tracing::warn!(%error, "the unfinished view is left behind; the next rebuild removes it");
                }
                Err(error)
            }
        }
    }

    async fn build(&self) -> Result<(i64, i64, Differences), RebuildError> {
        self.shadow.create().await?;
        let mut reader = Reader::new(self.log, self.topic, self.read).await?;
        self.catch_up(&mut reader).await?;
        self.shadow.build_indexes().await?;
        loop {
            self.catch_up(&mut reader).await?;
            if let Some(differences) = self.swap(&mut reader).await? {
                let records = reader.done();
                (self.progress)(records, records);
                return Ok((records, reader.unreadable, differences));
            }
        }
    }

    /// Until the live position is near.
    async fn catch_up(&self, reader: &mut Reader) -> Result<(), RebuildError> {
        let mut reported = Instant::now();
        let mut live = self.shadow.live_positions().await?;
        let mut batch = reader.next(&live, BATCH, SILENCE).await?;
        loop {
            let (written, next) =
                tokio::join!(self.write(std::mem::take(&mut batch)), reader.next(&live, BATCH, SILENCE));
            written?;
            batch = next?;
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                self.report(reader, &live).await?;
            }
            if reader.behind(&live) <= NEAR && batch.is_empty() {
                live = self.shadow.live_positions().await?;
                if reader.behind(&live) <= NEAR {
                    return self.report(reader, &live).await;
                }
                batch = reader.next(&live, BATCH, SILENCE).await?;
            }
        }
    }

    async fn write(&self, batch: Batch) -> Result<(), RebuildError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut tx = self.shadow.begin().await?;
        self.shadow.apply(&mut tx, batch).await?;
        tx.commit().await?;
        tokio::time::sleep(BREATH).await;
        Ok(())
    }

    async fn report(&self, reader: &Reader, live: &Positions) -> Result<(), RebuildError> {
        let (done, total) = (reader.done(), live.values().sum());
        (self.progress)(done, total);
        match self.shadow.report(done, total).await? {
            true => Ok(()),
            false => Err(RebuildError::TakenOver),
        }
    }

    /// `None`: it has to be tried again.
    async fn swap(&self, reader: &mut Reader) -> Result<Option<Differences>, RebuildError> {
        let before = reader.positions().clone();
        let mut tx = self.shadow.begin().await?;
        let held = self.shadow.hold_live(&mut tx).await?;
        while reader.behind(&held) > 0 {
            let batch = match reader.next(&held, BATCH, SILENCE_IN_SWAP).await {
                Ok(batch) => batch,
                // The live consumer is not kept waiting any longer; the rest is waited for outside.
                Err(RebuildError::Silent(_)) => {
                    tx.rollback().await?;
                    reader.go_back(before).await?;
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            self.shadow.apply(&mut tx, batch).await?;
        }
        let differences = match self.verify {
            true => Some(self.shadow.differences(&mut tx).await?),
            false => None,
        };
        match self.shadow.swap(&mut tx, &held).await? {
            Swap::Done => {
                tx.commit().await?;
                Ok(Some(differences))
            }
            Swap::Moved => {
                tx.rollback().await?;
                reader.go_back(before).await?;
                Ok(None)
            }
            Swap::TakenOver => Err(RebuildError::TakenOver),
        }
    }
}

type Differences = Option<(Vec<Difference>, i64)>;

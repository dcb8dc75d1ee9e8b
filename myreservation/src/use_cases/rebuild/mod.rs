//! Builds the view anew from the topic, beside the live one, and puts it in its place in one transaction.
//!
//! The new view is what the records below the live consumer's position make: never more, so that it can be compared
//! with the old one byte for byte, and never less, so that the consumer goes on behind the swap as if nothing had
//! happened. The last records are applied in the transaction of the swap, which holds the consumer's position; nothing
//! that it does meanwhile can be lost, because it can do nothing until the swap is committed.

mod error;
mod reader;

use std::time::{Duration, Instant};

use messaging::EventLog;
use storage::StoreError;

use super::ports::{Positions, Shadow, Swap};
use crate::domain::Batch;
pub use error::{Differences, RebuildError};
pub use reader::Read;
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

#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Compare the new view with the old one before the swap.
    pub verify: bool,
    /// Swap also where the topic has not everything that the old view was made of.
    pub force: bool,
}

pub struct Rebuild<'a> {
    pub shadow: &'a dyn Shadow,
    pub log: &'a dyn EventLog,
    pub topic: &'a str,
    pub read: Read,
    pub options: Options,
    /// Told now and then: offsets passed, and offsets in all.
    pub progress: &'a (dyn Fn(i64, i64) + Sync),
}

#[derive(Debug)]
pub struct Report {
    /// Records of the topic that the new view is made of.
    pub records: i64,
    /// What speaks against it, where it was forced.
    pub objections: Vec<String>,
    /// Of these, how many could not be read; they are dead letters of the live consumer too.
    pub unreadable: i64,
    pub took: Duration,
    /// Where asked for.
    pub differences: Differences,
}

impl Rebuild<'_> {
    /// # Errors
    /// The live view is then as it was, and the unfinished one is removed as far as the database lets us.
    pub async fn run(&self) -> Result<Report, RebuildError> {
        let started = Instant::now();
        let outcome = self.build().await;
        match outcome {
            Ok(mut report) => {
                report.took = started.elapsed();
                Ok(report)
            }
            Err(error) => {
                if let Err(error) = self.shadow.discard().await {
                    tracing::warn!(%error, "the unfinished view is left behind; the next rebuild removes it");
                }
                Err(error)
            }
        }
    }

    async fn build(&self) -> Result<Report, RebuildError> {
        self.shadow.create().await?;
        let marks = self.shadow.live_marks().await?;
        let mut reader = Reader::new(self.log, self.topic, self.read, marks).await?;
        reader.look(&self.shadow.live_positions().await?).await?;
        self.object_early(&reader)?;
        self.catch_up(&mut reader).await?;
        self.object_early(&reader)?;
        self.shadow.build_indexes().await?;
        loop {
            self.catch_up(&mut reader).await?;
            if let Some((objections, differences)) = self.swap(&mut reader).await? {
                let passed = reader.passed();
                (self.progress)(passed.offsets(), passed.offsets());
                let (records, unreadable) = (passed.records, passed.unreadable);
                return Ok(Report { records, objections, unreadable, took: Duration::ZERO, differences });
            }
        }
    }

    /// Before the dear part, where nobody asked for the differences.
    fn object_early(&self, reader: &Reader) -> Result<(), RebuildError> {
        let objections = reader.objections();
        if objections.is_empty() || self.options.force || self.options.verify {
            return Ok(());
        }
        Err(RebuildError::Poorer { objections, differences: None })
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
        tx.commit().await.map_err(StoreError::from)?;
        tokio::time::sleep(BREATH).await;
        Ok(())
    }

    async fn report(&self, reader: &Reader, live: &Positions) -> Result<(), RebuildError> {
        let (done, total) = (reader.passed().offsets(), live.values().sum());
        (self.progress)(done, total);
        match self.shadow.report(done, total).await? {
            true => Ok(()),
            false => Err(RebuildError::TakenOver),
        }
    }

    /// `None`: it has to be tried again. Else what was objected to, and done all the same.
    async fn swap(&self, reader: &mut Reader) -> Result<Option<(Vec<String>, Differences)>, RebuildError> {
        let before = reader.passed().clone();
        let mut tx = self.shadow.begin().await?;
        let held = self.shadow.hold_live(&mut tx).await?;
        while reader.behind(&held) > 0 {
            let batch = match reader.next(&held, BATCH, SILENCE_IN_SWAP).await {
                Ok(batch) => batch,
                // The live consumer is not kept waiting any longer; the rest is waited for outside.
                Err(RebuildError::Silent(_)) => {
                    tx.rollback().await.map_err(StoreError::from)?;
                    reader.go_back(before).await?;
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            self.shadow.apply(&mut tx, batch).await?;
        }
        let differences = match self.options.verify {
            true => Some(self.shadow.differences(&mut tx).await?),
            false => None,
        };
        let mut objections = reader.objections();
        let vanished = self.shadow.vanished(&mut tx).await?;
        if vanished.reservations > 0 {
            objections.push(format!("{} reservations would vanish", vanished.reservations));
        }
        if vanished.steps > 0 {
            objections.push(format!("{} steps of timelines would vanish", vanished.steps));
        }
        if !objections.is_empty() && !self.options.force {
            tx.rollback().await.map_err(StoreError::from)?;
            return Err(RebuildError::Poorer { objections, differences });
        }
        match self.shadow.swap(&mut tx, &held).await? {
            Swap::Done => {
                tx.commit().await.map_err(StoreError::from)?;
                Ok(Some((objections, differences)))
            }
            Swap::Moved => {
                tx.rollback().await.map_err(StoreError::from)?;
                reader.go_back(before).await?;
                Ok(None)
            }
            Swap::TakenOver => Err(RebuildError::TakenOver),
        }
    }
}

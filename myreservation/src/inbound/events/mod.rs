//! Every fact becomes part of the view, a batch of records and one transaction at a time.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use events::{
    Arrived, Fact, PaymentCancelled, PaymentCreated, ReadError, ReceiptCancelled, ReceiptCreated,
    ReservationCancelled, ReservationCreated,
};
use messaging::{HandleError, Handler, ReceivedRecord, Unreadable};
use storage::Tx;

use crate::domain::{Batch, Step, Telling};
use crate::use_cases::ports::Projection;
use crate::use_cases::read_your_writes::ReadYourWrites;

pub struct Facts {
    projection: Arc<dyn Projection>,
    readers: Arc<ReadYourWrites>,
    /// What the transaction in hand makes visible, once it commits.
    in_hand: Mutex<Vec<(i64, i64)>>,
}

impl Facts {
    pub fn new(projection: Arc<dyn Projection>, readers: Arc<ReadYourWrites>) -> Self {
        Self { projection, readers, in_hand: Mutex::default() }
    }

    fn hold(&self, versions: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
        std::mem::replace(&mut *self.in_hand.lock().unwrap_or_else(PoisonError::into_inner), versions)
    }
}

#[async_trait]
impl Handler for Facts {
    type Instruction = Read;

    fn instruction(&self, received: &ReceivedRecord) -> Result<Option<Read>, Unreadable> {
        read(received)
    }

    async fn apply(&self, tx: &mut Tx, facts: Vec<Read>) -> Result<(), HandleError> {
        let Some(partition) = facts.first().map(|read| read.partition) else { return Ok(()) };
        let mut batch = Batch::default();
        for Read { step, telling, .. } in facts {
            batch.add(step, telling);
        }
        self.hold(batch.reservation_versions().collect());
        self.projection.apply(tx, batch, partition).await?;
        Ok(())
    }

    fn committed(&self) {
        self.readers.committed(&self.hold(Vec::new()));
    }
}

/// A fact as it becomes part of the view.
pub struct Read {
    partition: i32,
    step: Step,
    telling: Telling,
}

/// Makes a record part of a batch, if it is a fact that this release knows.
///
/// # Errors
/// Why it can never be part of the view.
pub fn add(batch: &mut Batch, received: &ReceivedRecord) -> Result<(), String> {
    // The consumer passes it by itself; who rebuilds the view reads it here.
    if received.record.says_nothing() {
        return Ok(());
    }
    if let Some(Read { step, telling, .. }) = read(received).map_err(|Unreadable(reason)| reason)? {
        batch.add(step, telling);
    }
    Ok(())
}

fn read(received: &ReceivedRecord) -> Result<Option<Read>, Unreadable> {
    let Some((telling, at_ms)) = telling(&received.fact()?)? else { return Ok(None) };
    let trace_id = received.trace().map(|trace| format!("{:032x}", trace.trace_id()));
    let attempts = received
        .header("attempts")
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(|value| value.parse().ok());
    let step = Step::of(&telling, at_ms, trace_id, attempts);
    Ok(Some(Read { partition: received.partition, step, telling }))
}

/// What a fact tells, and when it was told; `None`: a newer producer's fact.
///
/// # Errors
/// The fact cannot be read.
pub fn telling(fact: &Arrived<'_>) -> Result<Option<(Telling, i64)>, ReadError> {
    Ok(Some(match fact.fact_type() {
        ReservationCreated::TYPE => told::<ReservationCreated>(fact)?,
        ReservationCancelled::TYPE => told::<ReservationCancelled>(fact)?,
        PaymentCreated::TYPE => told::<PaymentCreated>(fact)?,
        PaymentCancelled::TYPE => told::<PaymentCancelled>(fact)?,
        ReceiptCreated::TYPE => told::<ReceiptCreated>(fact)?,
        ReceiptCancelled::TYPE => told::<ReceiptCancelled>(fact)?,
        _ => return Ok(None),
    }))
}

fn told<F: Fact + Into<Telling>>(fact: &Arrived<'_>) -> Result<(Telling, i64), ReadError> {
    fact.read_told::<F>().map(|(fact, at_ms)| (fact.into(), at_ms))
}

//! Every fact becomes part of the view, a batch of records and one transaction at a time.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use events::{Event, ReadError};
use messaging::{HandleError, Handler, ReceivedRecord, read_all};
use storage::Tx;
use telemetry::TraceContext;

use crate::domain::Batch;
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
    async fn handle(&self, tx: &mut Tx, records: &[ReceivedRecord]) -> Result<(), HandleError> {
        let Some(partition) = records.first().map(|record| record.partition) else { return Ok(()) };
        let mut batch = Batch::default();
        read_all(records, |record| read(&mut batch, record).map(|()| None::<()>))?;
        self.hold(batch.reservation_versions().collect());
        if batch.is_empty() {
            return Ok(());
        }
        self.projection.apply(tx, batch, partition).await?;
        Ok(())
    }

    fn committed(&self) {
        self.readers.committed(&self.hold(Vec::new()));
    }
}

/// Makes a record part of a batch. A fact that this release does not know is skipped: a newer producer's.
///
/// # Errors
/// Why it can never be part of the view.
pub fn read(batch: &mut Batch, received: &ReceivedRecord) -> Result<(), String> {
    // The consumer passes it by itself; who rebuilds the view reads it here.
    if received.record.says_nothing() {
        return Ok(());
    }
    let fact = match Event::from_json(&received.record.payload) {
        Ok(fact) => fact,
        Err(ReadError::UnknownType(name)) => {
            tracing::debug!(event_type = name, "unknown fact skipped");
            return Ok(());
        }
        Err(error) => return Err(error.to_string()),
    };
    let trace_id = header(received, "traceparent")
        .and_then(TraceContext::parse_bytes)
        .map(|trace| format!("{:032x}", trace.trace_id()));
    let attempts = header(received, "attempts")
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(|value| value.parse().ok());
    batch.add(fact.event, fact.timestamp_ms, trace_id, attempts);
    Ok(())
}

fn header<'a>(received: &'a ReceivedRecord, name: &str) -> Option<&'a [u8]> {
    let (_, value) = received.record.headers.iter().find(|(other, _)| other == name)?;
    Some(value)
}

//! Which fact triggers what.

use async_trait::async_trait;
use events::{Event, ReadError};
use messaging::{HandleError, Handler, ReceivedRecord, read_all};
use storage::Tx;
use telemetry::TraceContext;

use crate::use_cases::follow::{Follow, Instruction};

pub struct Facts {
    pub follow: Follow,
}

#[async_trait]
impl Handler for Facts {
    async fn handle(&self, tx: &mut Tx, records: &[ReceivedRecord]) -> Result<(), HandleError> {
        let instructions = read_all(records, |received| match Event::from_json(&received.record.payload) {
            Ok(fact) => {
                let instruction = Instruction::of(fact.event);
                Ok(instruction.map(|instruction| (instruction, traceparent(received))))
            }
            // A newer producer's fact: none of receipt's business yet.
            Err(ReadError::UnknownType(name)) => {
                tracing::debug!(event_type = name, "unknown fact skipped");
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        })?;
        if instructions.is_empty() {
            return Ok(());
        }
        let (indices, instructions): (Vec<_>, Vec<_>) = instructions.into_iter().unzip();
        let followed = self.follow.execute(tx, &instructions).await;
        followed.map_err(|error| HandleError::of_fold(error, &indices))
    }

    fn concerns(&self, received: &ReceivedRecord) -> bool {
        match Event::from_json(&received.record.payload) {
            Ok(fact) => Instruction::of(fact.event).is_some(),
            Err(error) => !matches!(error, ReadError::UnknownType(_)),
        }
    }
}

/// The trace goes on in what receipt tells, from the span that caused it: a collector has that one.
fn traceparent(received: &ReceivedRecord) -> Option<String> {
    let (_, value) = received.record.headers.iter().find(|(name, _)| name == "traceparent")?;
    Some(TraceContext::parse_bytes(value)?.to_string())
}

//! Which fact triggers what.

use async_trait::async_trait;
use events::{Event, ReadError};
use failpoints::step;
use messaging::{HandleError, Handler, ReceivedRecord};
use storage::Tx;
use telemetry::TraceContext;

use crate::use_cases::follow::{Follow, Instruction};

pub struct Facts {
    pub follow: Follow,
}

#[async_trait]
impl Handler for Facts {
    async fn handle(&self, tx: &mut Tx, records: &[ReceivedRecord]) -> Result<(), HandleError> {
        step!("receipt.events.received");
        let mut instructions = Vec::with_capacity(records.len());
        for (index, received) in records.iter().enumerate() {
            let event = match Event::from_json(&received.record.payload) {
                Ok(fact) => fact.event,
                // A newer producer's fact: none of receipt's business yet.
                Err(ReadError::UnknownType(name)) => {
                    tracing::debug!(event_type = name, "unknown fact skipped");
                    continue;
                }
                Err(error) => {
                    return Err(HandleError::Record { index, reason: error.to_string() });
                }
            };
            if let Some(instruction) = Instruction::of(event) {
                instructions.push((instruction, traceparent(received)));
            }
        }
        if instructions.is_empty() {
            return Ok(());
        }
        Ok(self.follow.execute(tx, instructions).await?)
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

//! Which fact triggers what.

use async_trait::async_trait;
use events::{Arrived, Fact, PaymentCancelled, PaymentCreated, ReadError, ReservationCancelled};
use messaging::{HandleError, Handler, ReceivedRecord, Unreadable};
use storage::Tx;

use crate::use_cases::follow::{Follow, Instruction};

#[async_trait]
impl Handler for Follow {
    /// The trace goes on in what receipt tells.
    type Instruction = (Instruction, Option<String>);

    fn instruction(&self, received: &ReceivedRecord) -> Result<Option<Self::Instruction>, Unreadable> {
        let traceparent = || received.trace().map(|trace| trace.to_string());
        Ok(instruction(&received.fact()?)?.map(|instruction| (instruction, traceparent())))
    }

    async fn apply(&self, tx: &mut Tx, instructions: Vec<Self::Instruction>) -> Result<(), HandleError> {
        Ok(self.execute(tx, &instructions).await?)
    }
}

/// `None`: not receipt's business.
///
/// # Errors
/// The fact cannot be read.
pub fn instruction(fact: &Arrived<'_>) -> Result<Option<Instruction>, ReadError> {
    Ok(Some(match fact.fact_type() {
        PaymentCreated::TYPE => Instruction::Issue(Box::new(fact.read::<PaymentCreated>()?.0)),
        PaymentCancelled::TYPE => {
            Instruction::Withdraw { reservation_id: fact.read::<PaymentCancelled>()?.0.pre_reservation_id }
        }
        ReservationCancelled::TYPE => {
            Instruction::Withdraw { reservation_id: fact.read::<ReservationCancelled>()?.reservation.id }
        }
        _ => return Ok(None),
    }))
}

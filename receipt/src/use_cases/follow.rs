//! Follows the facts of payment and prereservation: issues and withdraws receipts, a batch at a time.

use std::sync::Arc;

use events::Payment;
use storage::{FoldError, Tx, fold, now_ms};

use super::ports::ReceiptStore;
use crate::domain::{Transition, issue, withdraw};

pub struct Follow {
    pub store: Arc<dyn ReceiptStore>,
}

/// What a record asks for.
pub enum Instruction {
    Issue(Box<Payment>),
    Withdraw { reservation_id: i64 },
}

impl Instruction {
    fn reservation_id(&self) -> i64 {
        match self {
            Self::Issue(payment) => payment.pre_reservation_id,
            Self::Withdraw { reservation_id } => *reservation_id,
        }
    }
}

impl Follow {
    /// Applies the instructions in order, each with the trace of its record.
    ///
    /// # Errors
    /// The store's.
    pub async fn execute(
        &self,
        tx: &mut Tx,
        instructions: &[(Instruction, Option<String>)],
    ) -> Result<(), FoldError> {
        let now = now_ms();
        let key = |(instruction, _): &(Instruction, _)| instruction.reservation_id();
        fold(tx, self.store.as_ref(), instructions, key, |receipt, (instruction, trace)| {
            let transition = match instruction {
                Instruction::Issue(payment) => issue(receipt, payment, now),
                Instruction::Withdraw { reservation_id } => withdraw(receipt, *reservation_id, now),
            };
            match transition {
                Transition::Applied => receipt.clone().map(|receipt| (receipt, trace.clone())),
                Transition::AlreadyApplied | Transition::Refused => None,
            }
        })
        .await
    }
}

//! Follows the facts of payment and prereservation: issues and withdraws, a batch at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use events::{Event, PaymentCreated};
use storage::{StoreError, Tx, now_ms};

use super::ports::{ReceiptStore, Telling};
use crate::domain::{Receipt, Told, Transition, issue, withdraw};

pub struct Follow {
    pub store: Arc<dyn ReceiptStore>,
}

/// What a record asks for.
pub enum Instruction {
    Issue(Box<PaymentCreated>),
    Withdraw { reservation_id: i64 },
}

impl Instruction {
    /// `None`: not receipt's business.
    pub fn of(event: Event) -> Option<Self> {
        match event {
            Event::PaymentCreated(payment) => Some(Self::Issue(Box::new(payment))),
            Event::ReservationCancelled(_) | Event::PaymentCancelled(_) => {
                Some(Self::Withdraw { reservation_id: event.reservation_id() })
            }
            Event::ReservationCreated(_) | Event::ReceiptCreated(_) | Event::ReceiptCancelled(_) => None,
        }
    }

    fn reservation_id(&self) -> i64 {
        match self {
            Self::Issue(payment) => payment.pre_reservation_id,
            Self::Withdraw { reservation_id } => *reservation_id,
        }
    }
}

/// A reservation's receipt while a batch is folded into it.
#[derive(Default)]
struct Slot {
    receipt: Option<Receipt>,
    stored: bool,
    changed: bool,
    told: Vec<(Told, Option<String>)>,
}

impl Follow {
    /// Applies the instructions in order, with few statements whatever their number.
    ///
    /// # Errors
    /// The database's.
    pub async fn execute(
        &self,
        tx: &mut Tx,
        instructions: Vec<(Instruction, Option<String>)>,
    ) -> Result<(), StoreError> {
        let mut slots = self.load(tx, &instructions).await?;
        let now = now_ms();
        for (instruction, traceparent) in instructions {
            let reservation_id = instruction.reservation_id();
            let slot = slots.entry(reservation_id).or_default();
            let transition = match &instruction {
                Instruction::Issue(payment) => issue(&mut slot.receipt, payment, now),
                Instruction::Withdraw { .. } => withdraw(&mut slot.receipt, reservation_id, now),
            };
            match transition {
                Transition::Applied(told) => {
                    slot.changed = true;
                    slot.told.extend(told.map(|told| (told, traceparent)));
                }
                Transition::AlreadyApplied | Transition::Refused => {}
            }
        }
        self.save(tx, slots).await
    }

    async fn load(
        &self,
        tx: &mut Tx,
        instructions: &[(Instruction, Option<String>)],
    ) -> Result<BTreeMap<i64, Slot>, StoreError> {
        let mut ids: Vec<i64> =
            instructions.iter().map(|(instruction, _)| instruction.reservation_id()).collect();
        ids.sort_unstable();
        ids.dedup();
        let stored = self.store.of_reservations(tx, &ids).await?;
        Ok(stored
            .into_iter()
            .map(|receipt| {
                let id = receipt.reservation_id;
                (id, Slot { receipt: Some(receipt), stored: true, ..Slot::default() })
            })
            .collect())
    }

    async fn save(&self, tx: &mut Tx, mut slots: BTreeMap<i64, Slot>) -> Result<(), StoreError> {
        let mut added: Vec<&mut Receipt> = slots
            .values_mut()
            .filter(|slot| slot.changed && !slot.stored)
            .filter_map(|slot| slot.receipt.as_mut())
            .collect();
        self.store.add(tx, &mut added).await?;
        let updated: Vec<&Receipt> = slots
            .values()
            .filter(|slot| slot.changed && slot.stored)
            .filter_map(|slot| slot.receipt.as_ref())
            .collect();
        self.store.update(tx, &updated).await?;
        let facts: Vec<Telling> = slots
            .into_values()
            .filter_map(|slot| slot.receipt.map(|receipt| (receipt, slot.told)))
            .flat_map(|(receipt, told)| {
                told.into_iter()
                    .map(move |(told, traceparent)| Telling { event: receipt.fact(told), traceparent })
            })
            .collect();
        self.store.tell(tx, &facts).await?;
        Ok(())
    }
}

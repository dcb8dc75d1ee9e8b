use events::{Envelope, Payment, Purchase, ReceiptCancelled, ReceiptCreated};

const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;
/// From the charge to the delivery.
const DELIVERY_DAYS: i64 = 21;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Issued,
    /// Withdrawn after it had been issued.
    Cancelled,
    /// Tombstone: the cancellation came before the payment, nothing will be issued.
    Void,
}

impl Status {
    pub const ALL: [Self; 3] = [Self::Issued, Self::Cancelled, Self::Void];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "receipt_issued",
            Self::Cancelled => "receipt_cancelled",
            Self::Void => "void",
        }
    }
}

/// A receipt, or the tombstone of one, which has no payment. Its version counts the facts told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// 0 until the store gave it one.
    pub id: i64,
    pub reservation_id: i64,
    pub payment_id: i64,
    pub purchase: Purchase,
    /// Epoch milliseconds, as all moments here.
    pub paid_at: i64,
    pub status: Status,
    pub version: i64,
    pub created_at: i64,
    pub modified_at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The receipt has changed; [`Receipt::fact`] tells of it.
    Applied,
    /// It was so before; a repeated message is no error.
    AlreadyApplied,
    /// The cancellation came first.
    Refused,
}

/// A payment came about.
pub fn issue(slot: &mut Option<Receipt>, payment: &Payment, now: i64) -> Transition {
    match slot.as_ref().map(|receipt| receipt.status) {
        None => {
            *slot = Some(Receipt {
                id: 0,
                reservation_id: payment.pre_reservation_id,
                payment_id: payment.id,
                purchase: payment.purchase.clone(),
                paid_at: payment.created_at,
                status: Status::Issued,
                version: 1,
                created_at: now,
                modified_at: now,
            });
            Transition::Applied
        }
        Some(Status::Issued | Status::Cancelled) => Transition::AlreadyApplied,
        Some(Status::Void) => Transition::Refused,
    }
}

/// The reservation or its payment was cancelled.
pub fn withdraw(slot: &mut Option<Receipt>, reservation_id: i64, now: i64) -> Transition {
    match slot {
        None => {
            *slot = Some(Receipt {
                id: 0,
                reservation_id,
                payment_id: 0,
                purchase: Purchase::default(),
                paid_at: 0,
                status: Status::Void,
                version: 0,
                created_at: now,
                modified_at: now,
            });
            Transition::Applied
        }
        Some(receipt) => match receipt.status {
            Status::Issued => {
                receipt.status = Status::Cancelled;
                receipt.version += 1;
                receipt.modified_at = now.max(receipt.modified_at);
                Transition::Applied
            }
            Status::Cancelled | Status::Void => Transition::AlreadyApplied,
        },
    }
}

impl Receipt {
    /// A payment at the end of time is delivered at the end of time.
    pub fn expected_delivery_at(&self) -> i64 {
        self.paid_at.saturating_add(DELIVERY_DAYS * MS_PER_DAY)
    }

    /// What is told of the receipt as it is now. Nobody is told of a tombstone.
    pub fn fact(&self) -> Option<Envelope> {
        let receipt = events::Receipt {
            id: self.id,
            pre_reservation_id: self.reservation_id,
            payment_id: self.payment_id,
            purchase: self.purchase.clone(),
            expected_delivery_at: self.expected_delivery_at(),
            created_at: self.created_at,
            modified_at: self.modified_at,
            version: self.version,
        };
        match self.status {
            Status::Issued => Some(Envelope::of(&ReceiptCreated(receipt), self.modified_at)),
            Status::Cancelled => Some(Envelope::of(&ReceiptCancelled(receipt), self.modified_at)),
            Status::Void => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn payment() -> Payment {
        Payment {
            id: 3,
            pre_reservation_id: 7,
            purchase: Purchase::default(),
            card_no: String::new(),
            created_at: 1_000,
            modified_at: 1_000,
            version: 1,
        }
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Message {
        Payment,
        Cancellation,
    }

    proptest! {
        #[test]
        fn the_order_and_number_of_messages_decide_nothing_but_who_was_first(
            messages in proptest::collection::vec(
                prop_oneof![Just(Message::Payment), Just(Message::Cancellation)], 0..12)
        ) {
            let mut slot = None;
            let mut told = Vec::new();
            for message in &messages {
                let transition = match message {
                    Message::Payment => issue(&mut slot, &payment(), 5),
                    Message::Cancellation => withdraw(&mut slot, 7, 6),
                };
                if transition == Transition::Applied {
                    told.extend(slot.as_ref().unwrap().fact().map(|fact| fact.fact_type));
                }
            }
            let cancelled = messages.contains(&Message::Cancellation);
            let expected = match (messages.first(), cancelled) {
                (None, _) => None,
                (Some(Message::Payment), false) => Some(Status::Issued),
                (Some(Message::Payment), true) => Some(Status::Cancelled),
                (Some(Message::Cancellation), _) => Some(Status::Void),
            };
            prop_assert_eq!(slot.map(|receipt: Receipt| receipt.status), expected);
            prop_assert!(
                [&[][..], &["ReceiptCreated"], &["ReceiptCreated", "ReceiptCancelled"]]
                    .contains(&told.as_slice())
            );
        }
    }

    #[test]
    fn the_delivery_is_21_days_after_the_charge() {
        let mut slot = None;
        issue(&mut slot, &payment(), 5);
        assert_eq!(slot.unwrap().expected_delivery_at(), 1_000 + 21 * 86_400_000);
    }
}

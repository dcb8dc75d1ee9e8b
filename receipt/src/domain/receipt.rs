use events::{Envelope, Payment, ReceiptCancelled, ReceiptCreated};

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

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What was paid for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purchase {
    pub payment_id: i64,
    pub user_id: i64,
    pub product_id: i64,
    pub product_name: String,
    pub price: i64,
    /// Epoch milliseconds.
    pub paid_at: i64,
}

/// A receipt, or the tombstone of one. Its version counts the facts told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// 0 until the store gave it one.
    pub id: i64,
    pub reservation_id: i64,
    /// Empty in a tombstone.
    pub purchase: Purchase,
    pub status: Status,
    pub version: i64,
    /// Epoch milliseconds.
    pub created_at: i64,
    pub modified_at: i64,
}

/// A fact about a receipt whose id may not be known yet; [`Receipt::fact`] completes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    issued: bool,
    version: i64,
    modified_at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Changed; this is to be told, if anything is.
    Applied(Option<Told>),
    /// It was so before; a repeated message is no error.
    AlreadyApplied,
    /// The cancellation came first.
    Refused,
}

impl Transition {
    pub fn told(self) -> Option<Told> {
        match self {
            Self::Applied(told) => told,
            Self::AlreadyApplied | Self::Refused => None,
        }
    }
}

/// A payment came about.
pub fn issue(slot: &mut Option<Receipt>, payment: &Payment, now: i64) -> Transition {
    match slot.as_ref().map(|receipt| receipt.status) {
        None => {
            *slot = Some(Receipt {
                id: 0,
                reservation_id: payment.pre_reservation_id,
                purchase: Purchase {
                    payment_id: payment.id,
                    user_id: payment.purchase.user_id,
                    product_id: payment.purchase.product_id,
                    product_name: payment.purchase.product_name.clone(),
                    price: payment.purchase.price,
                    paid_at: payment.created_at,
                },
                status: Status::Issued,
                version: 1,
                created_at: now,
                modified_at: now,
            });
            Transition::Applied(Some(Told { issued: true, version: 1, modified_at: now }))
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
                purchase: Purchase::default(),
                status: Status::Void,
                version: 0,
                created_at: now,
                modified_at: now,
            });
            Transition::Applied(None)
        }
        Some(receipt) => match receipt.status {
            Status::Issued => {
                receipt.status = Status::Cancelled;
                receipt.version += 1;
                receipt.modified_at = now.max(receipt.modified_at);
                Transition::Applied(Some(Told {
                    issued: false,
                    version: receipt.version,
                    modified_at: receipt.modified_at,
                }))
            }
            Status::Cancelled | Status::Void => Transition::AlreadyApplied,
        },
    }
}

impl Receipt {
    /// Epoch milliseconds, UTC. A payment at the end of time is delivered at the end of time.
    pub fn expected_delivery_at(&self) -> i64 {
        self.purchase.paid_at.saturating_add(DELIVERY_DAYS * MS_PER_DAY)
    }

    pub fn fact(&self, told: Told) -> Envelope {
        let Purchase { payment_id, user_id, product_id, product_name, price, .. } = self.purchase.clone();
        let receipt = events::Receipt {
            id: self.id,
            pre_reservation_id: self.reservation_id,
            payment_id,
            purchase: events::Purchase { user_id, product_id, product_name, price },
            expected_delivery_at: self.expected_delivery_at(),
            created_at: self.created_at,
            modified_at: told.modified_at,
            version: told.version,
        };
        match told.issued {
            true => Envelope::of(&ReceiptCreated(receipt), told.modified_at),
            false => Envelope::of(&ReceiptCancelled(receipt), told.modified_at),
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
            purchase: events::Purchase {
                user_id: 1,
                product_id: 1,
                product_name: "fold".into(),
                price: 1_300_000,
            },
            card_no: "****-****-****-1234".into(),
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
                if let Transition::Applied(Some(fact)) = transition {
                    told.push(slot.as_ref().unwrap().fact(fact).fact_type);
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

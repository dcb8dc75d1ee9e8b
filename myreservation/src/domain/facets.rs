//! What each producer told of a reservation. A producer's facts touch its own facet and nothing else, and of two
//! facts the newer version stands: so neither order nor repetition matters.

use events::{Event, MaskedCard, Status};

/// What all three producers repeat. The reservation's own telling wins over the payment's, that over the receipt's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    pub user_id: i64,
    /// Only the reservation knows it.
    pub user_address: Option<String>,
    pub product_id: i64,
    pub product_name: String,
    pub price: i64,
    /// Masked; the receipt does not know it.
    pub card_no: Option<String>,
    /// Epoch milliseconds.
    pub created_at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// One of [`events::reason`], or a code that is newer than this release.
    pub reason: String,
    pub detail: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    pub version: i64,
    pub status: Status,
    pub modified_at: i64,
    pub cancellation: Option<Cancellation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub version: i64,
    pub status: Status,
    pub id: i64,
    pub created_at: i64,
    pub modified_at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub version: i64,
    pub status: Status,
    pub id: i64,
    pub expected_delivery_at: i64,
    pub created_at: i64,
    pub modified_at: i64,
}

/// What is told of one reservation, folded: for each facet the newest telling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub reservation: Option<(Reservation, Purchase)>,
    pub payment: Option<(Payment, Purchase)>,
    pub receipt: Option<(Receipt, Purchase)>,
}

impl Changes {
    /// Adds a fact.
    pub fn tell(&mut self, event: Event) {
        let status = event.status();
        match event {
            Event::ReservationCreated(fact) => {
                let reservation = Reservation {
                    version: fact.version,
                    status,
                    modified_at: fact.modified_at,
                    cancellation: None,
                };
                let purchase = Purchase {
                    user_id: fact.user_id,
                    user_address: Some(fact.user_address),
                    product_id: fact.product_id,
                    product_name: fact.product_name,
                    price: fact.price,
                    card_no: Some(masked(fact.card_no)),
                    created_at: fact.created_at,
                };
                newest(&mut self.reservation, (reservation, purchase), |told| told.0.version);
            }
            Event::ReservationCancelled(fact) => {
                let reservation = Reservation {
                    version: fact.version,
                    status,
                    modified_at: fact.modified_at,
                    cancellation: Some(Cancellation { reason: fact.reason, detail: fact.detail }),
                };
                let purchase = Purchase {
                    user_id: fact.user_id,
                    user_address: Some(fact.user_address),
                    product_id: fact.product_id,
                    product_name: fact.product_name,
                    price: fact.price,
                    card_no: Some(masked(fact.card_no)),
                    created_at: fact.created_at,
                };
                newest(&mut self.reservation, (reservation, purchase), |told| told.0.version);
            }
            Event::PaymentCreated(fact) => self.tell_payment(Told {
                status,
                version: fact.version,
                id: fact.id,
                modified_at: fact.modified_at,
                purchase: Purchase {
                    user_id: fact.user_id,
                    user_address: None,
                    product_id: fact.product_id,
                    product_name: fact.product_name,
                    price: fact.price,
                    card_no: Some(masked(fact.card_no)),
                    created_at: fact.created_at,
                },
            }),
            Event::PaymentCancelled(fact) => self.tell_payment(Told {
                status,
                version: fact.version,
                id: fact.id,
                modified_at: fact.modified_at,
                purchase: Purchase {
                    user_id: fact.user_id,
                    user_address: None,
                    product_id: fact.product_id,
                    product_name: fact.product_name,
                    price: fact.price,
                    card_no: Some(masked(fact.card_no)),
                    created_at: fact.created_at,
                },
            }),
            Event::ReceiptCreated(fact) => {
                let expected_delivery_at = fact.expected_delivery_at;
                let purchase = Purchase {
                    user_id: fact.user_id,
                    user_address: None,
                    product_id: fact.product_id,
                    product_name: fact.product_name,
                    price: fact.price,
                    card_no: None,
                    created_at: fact.created_at,
                };
                let told = Told {
                    status,
                    version: fact.version,
                    id: fact.id,
                    modified_at: fact.modified_at,
                    purchase,
                };
                self.tell_receipt(told, expected_delivery_at);
            }
            Event::ReceiptCancelled(fact) => {
                let expected_delivery_at = fact.expected_delivery_at;
                let purchase = Purchase {
                    user_id: fact.user_id,
                    user_address: None,
                    product_id: fact.product_id,
                    product_name: fact.product_name,
                    price: fact.price,
                    card_no: None,
                    created_at: fact.created_at,
                };
                let told = Told {
                    status,
                    version: fact.version,
                    id: fact.id,
                    modified_at: fact.modified_at,
                    purchase,
                };
                self.tell_receipt(told, expected_delivery_at);
            }
        }
    }

    fn tell_payment(&mut self, told: Told) {
        let Told { status, version, id, modified_at, purchase } = told;
        let payment = Payment { version, status, id, created_at: purchase.created_at, modified_at };
        newest(&mut self.payment, (payment, purchase), |told| told.0.version);
    }

    fn tell_receipt(&mut self, told: Told, expected_delivery_at: i64) {
        let Told { status, version, id, modified_at, purchase } = told;
        let created_at = purchase.created_at;
        let receipt = Receipt { version, status, id, expected_delivery_at, created_at, modified_at };
        newest(&mut self.receipt, (receipt, purchase), |told| told.0.version);
    }
}

/// What created and cancelled facts of payment and receipt have in common.
struct Told {
    status: Status,
    version: i64,
    id: i64,
    modified_at: i64,
    purchase: Purchase,
}

fn newest<T>(known: &mut Option<T>, told: T, version: impl Fn(&T) -> i64) {
    if known.as_ref().is_none_or(|known| version(&told) > version(known)) {
        *known = Some(told);
    }
}

/// Producers tell masked numbers. A foreign one that does not is masked here: a full number is in no table. One that tells
/// none has nothing to show.
fn masked(card_no: String) -> String {
    match card_no.is_empty() {
        true => card_no,
        false => MaskedCard::of(&card_no).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_card_number_is_masked() {
        for told in ["1234-1234-1234-1234", "12341234 12341234", "card 41111111111234"] {
            assert_eq!(masked(told.to_owned()), "****-****-****-1234");
        }
        assert_eq!(masked("****-****-****-9876".to_owned()), "****-****-****-9876");
        assert_eq!(masked("abc1".to_owned()), "****-****-****-***1", "a short text is no mask");
        assert_eq!(masked(String::new()), "");
    }
}

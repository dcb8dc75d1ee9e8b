use events::{
    MaskedCard, PaymentCancelled, PaymentCreated, ReceiptCancelled, ReceiptCreated, ReservationCancelled,
    ReservationCreated,
};

use super::facets::{Cancellation, Payment, Purchase, Receipt, Reservation};
use super::status::Status;

/// What one fact tells of a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    pub reservation_id: i64,
    /// As the producer knows it.
    pub purchase: Purchase,
    pub told: Told,
}

/// The facet of the fact's producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Reservation(Reservation),
    Payment(Payment),
    Receipt(Receipt),
}

impl Told {
    pub fn version(&self) -> i64 {
        match self {
            Self::Reservation(facet) => facet.version,
            Self::Payment(facet) => facet.version,
            Self::Receipt(facet) => facet.version,
        }
    }

    pub fn status(&self) -> Status {
        match self {
            Self::Reservation(facet) => facet.status,
            Self::Payment(facet) => facet.status,
            Self::Receipt(facet) => facet.status,
        }
    }
}

impl From<ReservationCreated> for Telling {
    fn from(ReservationCreated(fact): ReservationCreated) -> Self {
        reservation(fact, Status::Reservated, None)
    }
}

impl From<ReservationCancelled> for Telling {
    fn from(ReservationCancelled { reservation: fact, reason, detail }: ReservationCancelled) -> Self {
        reservation(fact, Status::ReservationCancelled, Some(Cancellation { reason, detail }))
    }
}

impl From<PaymentCreated> for Telling {
    fn from(PaymentCreated(fact): PaymentCreated) -> Self {
        payment(fact, Status::Paid)
    }
}

impl From<PaymentCancelled> for Telling {
    fn from(PaymentCancelled(fact): PaymentCancelled) -> Self {
        payment(fact, Status::PaymentCancelled)
    }
}

impl From<ReceiptCreated> for Telling {
    fn from(ReceiptCreated(fact): ReceiptCreated) -> Self {
        receipt(fact, Status::ReceiptIssued)
    }
}

impl From<ReceiptCancelled> for Telling {
    fn from(ReceiptCancelled(fact): ReceiptCancelled) -> Self {
        receipt(fact, Status::ReceiptCancelled)
    }
}

fn reservation(fact: events::Reservation, status: Status, cancellation: Option<Cancellation>) -> Telling {
    let events::Reservation { id, purchase, user_address, card_no, created_at, modified_at, version } = fact;
    Telling {
        reservation_id: id,
        purchase: Purchase {
            user_address: Some(user_address),
            card_no: Some(masked(card_no)),
            ..of_all(purchase, created_at)
        },
        told: Told::Reservation(Reservation { version, status, modified_at, cancellation }),
    }
}

fn payment(fact: events::Payment, status: Status) -> Telling {
    let events::Payment { id, pre_reservation_id, purchase, card_no, created_at, modified_at, version } =
        fact;
    Telling {
        reservation_id: pre_reservation_id,
        purchase: Purchase { card_no: Some(masked(card_no)), ..of_all(purchase, created_at) },
        told: Told::Payment(Payment { version, status, id, created_at, modified_at }),
    }
}

fn receipt(fact: events::Receipt, status: Status) -> Telling {
    let events::Receipt { id, purchase, expected_delivery_at, created_at, modified_at, version, .. } = fact;
    Telling {
        reservation_id: fact.pre_reservation_id,
        purchase: of_all(purchase, created_at),
        told: Told::Receipt(Receipt { version, status, id, expected_delivery_at, created_at, modified_at }),
    }
}

/// What all producers know.
fn of_all(purchase: events::Purchase, created_at: i64) -> Purchase {
    let events::Purchase { user_id, product_id, product_name, price } = purchase;
    Purchase { user_id, user_address: None, product_id, product_name, price, card_no: None, created_at }
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

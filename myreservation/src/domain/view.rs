use super::status::Status;

use super::{Changes, Outcome, Payment, Purchase, Receipt, Reservation, Saga};

/// Everything about a reservation in one row, cancelled ones too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MyReservation {
    /// The reservation's.
    pub id: i64,
    pub purchase: Purchase,
    pub reservation: Option<Reservation>,
    pub payment: Option<Payment>,
    pub receipt: Option<Receipt>,
}

impl MyReservation {
    /// The row that all the facts about a reservation make; `None` where there is none.
    pub fn of(id: i64, changes: Changes) -> Option<Self> {
        let Changes { reservation, payment, receipt } = changes;
        let (reservation, of_reservation) = reservation.unzip();
        let (payment, of_payment) = payment.unzip();
        let (receipt, of_receipt) = receipt.unzip();
        let purchase = of_reservation.or(of_payment).or(of_receipt)?;
        Some(Self { id, purchase, reservation, payment, receipt })
    }

    pub fn saga(&self) -> Saga {
        Saga {
            reservation: self.reservation.as_ref().map(|facet| facet.status),
            payment: self.payment.as_ref().map(|facet| facet.status),
            receipt: self.receipt.as_ref().map(|facet| facet.status),
        }
    }

    pub fn outcome(&self) -> Outcome {
        self.saga().outcome()
    }

    /// `None` where no producer has told anything, which no row shows.
    pub fn status(&self) -> Option<Status> {
        self.saga().status()
    }

    /// Grows with every change that any of the three tells: each of their versions only grows.
    pub fn version(&self) -> i64 {
        let told = [
            self.reservation.as_ref().map(|facet| facet.version),
            self.payment.as_ref().map(|facet| facet.version),
            self.receipt.as_ref().map(|facet| facet.version),
        ];
        told.into_iter().flatten().fold(0, i64::saturating_add)
    }

    /// The last change that is known of any of the three.
    pub fn modified_at(&self) -> i64 {
        let told = [
            self.reservation.as_ref().map(|facet| facet.modified_at),
            self.payment.as_ref().map(|facet| facet.modified_at),
            self.receipt.as_ref().map(|facet| facet.modified_at),
        ];
        told.into_iter().flatten().max().unwrap_or(self.purchase.created_at)
    }
}

use super::facets::{Payment, Purchase, Receipt, Reservation};
use super::telling::{Telling, Told};

/// What is told of one reservation, folded: for each facet the newest telling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub reservation: Option<(Reservation, Purchase)>,
    pub payment: Option<(Payment, Purchase)>,
    pub receipt: Option<(Receipt, Purchase)>,
}

impl Changes {
    /// Adds what a fact tells.
    pub fn tell(&mut self, Telling { purchase, told, .. }: Telling) {
        match told {
            Told::Reservation(facet) => {
                newest(&mut self.reservation, (facet, purchase), |known| known.0.version)
            }
            Told::Payment(facet) => newest(&mut self.payment, (facet, purchase), |known| known.0.version),
            Told::Receipt(facet) => newest(&mut self.receipt, (facet, purchase), |known| known.0.version),
        }
    }
}

fn newest<T>(known: &mut Option<T>, told: T, version: impl Fn(&T) -> i64) {
    if known.as_ref().is_none_or(|known| version(&told) > version(known)) {
        *known = Some(told);
    }
}

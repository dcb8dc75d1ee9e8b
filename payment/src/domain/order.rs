use crate::domain::MaskedCard;

/// What is to be paid, by whom, for which reservation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// One payment a reservation.
    pub reservation_id: i64,
    pub user_id: i64,
    pub product_id: i64,
    pub product_name: String,
    /// In the smallest unit of the currency; at least 1.
    pub price: i64,
    pub card: MaskedCard,
}

impl Order {
    /// Names the charge to the card network, however often it is asked. Derived from what is paid for, so
    /// that every repetition, by whichever process, uses the same key.
    pub fn idempotency_key(&self) -> String {
        format!("pre-reservation-{}", self.reservation_id)
    }
}

//! What payment tells.

use envelope::{FieldError, Fields};
use serde::Serialize;

use crate::purchase::Purchase;
use crate::topics::PRERESERVATION;

/// A payment, as its facts tell of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The payment.
    pub id: i64,
    /// The reservation; also the record's key.
    pub pre_reservation_id: i64,
    #[serde(flatten)]
    pub purchase: Purchase,
    /// Masked: `****-****-****-1234`.
    pub card_no: String,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub modified_at: i64,
    /// Counts the changes of this payment; the newer fact wins.
    #[serde(skip_serializing)]
    pub version: i64,
}

/// A card was charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct PaymentCreated(pub Payment);

/// A charge was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct PaymentCancelled(pub Payment);

impl Payment {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            id: fields.count("id")?,
            pre_reservation_id: fields.count("preReservationId")?,
            purchase: Purchase::read(fields)?,
            card_no: fields.optional_text("cardNo")?.unwrap_or_default(),
            created_at: fields.moment_or_told("createdAt")?,
            modified_at: fields.moment_or_told("modifiedAt")?,
            version: fields.version()?,
        })
    }
}

facts! {
    "payment" tells in PRERESERVATION, by pre_reservation_id:
    PaymentCreated(Payment) = "paid",
    PaymentCancelled(Payment) = "payment_cancelled",
}

//! What receipt tells.

use envelope::{FieldError, Fields};
use serde::Serialize;

use crate::purchase::Purchase;
use crate::topics::PRERESERVATION;

/// A receipt, as its facts tell of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The receipt.
    pub id: i64,
    /// The reservation; also the record's key.
    pub pre_reservation_id: i64,
    pub payment_id: i64,
    #[serde(flatten)]
    pub purchase: Purchase,
    /// Epoch milliseconds: the payment's creation plus 21 days.
    pub expected_delivery_at: i64,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub modified_at: i64,
    /// Counts the changes of this receipt; the newer fact wins.
    #[serde(skip_serializing)]
    pub version: i64,
}

/// A receipt was issued, and names the day of delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ReceiptCreated(pub Receipt);

/// A receipt was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ReceiptCancelled(pub Receipt);

impl Receipt {
    fn read(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            id: fields.count("id")?,
            pre_reservation_id: fields.count("preReservationId")?,
            payment_id: fields.count("paymentId")?,
            purchase: Purchase::read(fields)?,
            expected_delivery_at: fields.moment("expectedDeliveryAt")?,
            created_at: fields.moment_or_told("createdAt")?,
            modified_at: fields.moment_or_told("modifiedAt")?,
            version: fields.version()?,
        })
    }
}

facts! {
    "receipt" tells in PRERESERVATION, by pre_reservation_id:
    ReceiptCreated(Receipt) = "receipt_issued",
    ReceiptCancelled(Receipt) = "receipt_cancelled",
}

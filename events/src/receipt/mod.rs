//! What receipt tells.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// A receipt was issued, and names the day of delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReceiptCreated {
    /// The receipt.
    #[serde(deserialize_with = "lenient::int")]
    pub id: i64,
    /// The reservation; also the record's key.
    #[serde(deserialize_with = "lenient::int")]
    pub pre_reservation_id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub payment_id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub user_id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub product_id: i64,
    #[serde(deserialize_with = "lenient::text")]
    pub product_name: String,
    #[serde(deserialize_with = "lenient::int")]
    pub price: i64,
    /// Epoch milliseconds: the payment's creation plus 21 days.
    #[serde(deserialize_with = "lenient::int")]
    pub expected_delivery_at: i64,
    /// Epoch milliseconds.
    #[serde(default, deserialize_with = "lenient::int_or_zero")]
    pub created_at: i64,
    /// Epoch milliseconds.
    #[serde(default, deserialize_with = "lenient::int_or_zero")]
    pub modified_at: i64,
    /// Counts the changes of this receipt; the newer fact wins.
    #[serde(skip_serializing, deserialize_with = "lenient::int")]
    pub version: i64,
}

/// A receipt was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReceiptCancelled {
    /// The receipt.
    #[serde(deserialize_with = "lenient::int")]
    pub id: i64,
    /// The reservation; also the record's key.
    #[serde(deserialize_with = "lenient::int")]
    pub pre_reservation_id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub payment_id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub user_id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub product_id: i64,
    #[serde(deserialize_with = "lenient::text")]
    pub product_name: String,
    #[serde(deserialize_with = "lenient::int")]
    pub price: i64,
    /// Epoch milliseconds: the payment's creation plus 21 days.
    #[serde(deserialize_with = "lenient::int")]
    pub expected_delivery_at: i64,
    /// Epoch milliseconds.
    #[serde(default, deserialize_with = "lenient::int_or_zero")]
    pub created_at: i64,
    /// Epoch milliseconds.
    #[serde(default, deserialize_with = "lenient::int_or_zero")]
    pub modified_at: i64,
    /// Counts the changes of this receipt; the newer fact wins.
    #[serde(skip_serializing, deserialize_with = "lenient::int")]
    pub version: i64,
}

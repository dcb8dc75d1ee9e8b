//! What payment tells.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// A card was charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentCreated {
    /// The payment.
    #[serde(deserialize_with = "lenient::int")]
    pub id: i64,
    /// The reservation; also the record's key.
    #[serde(deserialize_with = "lenient::int")]
    pub pre_reservation_id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub user_id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub product_id: i64,
    #[serde(deserialize_with = "lenient::text")]
    pub product_name: String,
    #[serde(deserialize_with = "lenient::int")]
    pub price: i64,
    /// Masked: `****-****-****-1234`.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub card_no: String,
    /// Epoch milliseconds.
    #[serde(default, deserialize_with = "lenient::int_or_zero")]
    pub created_at: i64,
    /// Epoch milliseconds.
    #[serde(default, deserialize_with = "lenient::int_or_zero")]
    pub modified_at: i64,
    /// Counts the changes of this payment; the newer fact wins.
    #[serde(skip_serializing, deserialize_with = "lenient::int")]
    pub version: i64,
}

/// A charge was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentCancelled {
    /// The payment.
    #[serde(deserialize_with = "lenient::int")]
    pub id: i64,
    /// The reservation; also the record's key.
    #[serde(deserialize_with = "lenient::int")]
    pub pre_reservation_id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub user_id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub product_id: i64,
    #[serde(deserialize_with = "lenient::text")]
    pub product_name: String,
    #[serde(deserialize_with = "lenient::int")]
    pub price: i64,
    /// Masked: `****-****-****-1234`.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub card_no: String,
    /// Epoch milliseconds.
    #[serde(default, deserialize_with = "lenient::int_or_zero")]
    pub created_at: i64,
    /// Epoch milliseconds.
    #[serde(default, deserialize_with = "lenient::int_or_zero")]
    pub modified_at: i64,
    /// Counts the changes of this payment; the newer fact wins.
    #[serde(skip_serializing, deserialize_with = "lenient::int")]
    pub version: i64,
}

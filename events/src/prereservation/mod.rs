//! What prereservation tells.

pub mod reason;

use serde::{Deserialize, Serialize};

use crate::lenient;

/// A smartphone is reserved and paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReservationCreated {
    /// The reservation; also the record's key.
    #[serde(deserialize_with = "lenient::int")]
    pub id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub user_id: i64,
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub user_address: String,
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
    /// Counts the changes of this reservation; the newer fact wins.
    #[serde(skip_serializing, deserialize_with = "lenient::int")]
    pub version: i64,
}

/// A reservation is over, by the customer or because its payment did not come about.
/// payment refunds on it, receipt withdraws.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReservationCancelled {
    /// The reservation; also the record's key.
    #[serde(deserialize_with = "lenient::int")]
    pub id: i64,
    #[serde(deserialize_with = "lenient::int")]
    pub user_id: i64,
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub user_address: String,
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
    /// Machine code of the cause, for instance `payment_declined`; an open set.
    #[serde(default = "unspecified", deserialize_with = "lenient::text")]
    pub reason: String,
    /// For people: what happened, where there is more to say.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub detail: Option<String>,
    /// Counts the changes of this reservation; the newer fact wins.
    #[serde(skip_serializing, deserialize_with = "lenient::int")]
    pub version: i64,
}

fn unspecified() -> String {
    reason::UNSPECIFIED.to_owned()
}

use envelope::{FieldError, Fields};
use serde::Serialize;

/// Who reserved what, at which price.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Purchase {
    pub user_id: i64,
    pub product_id: i64,
    pub product_name: String,
    /// In the smallest unit of the currency.
    pub price: i64,
}

impl Purchase {
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            user_id: fields.count("userId")?,
            product_id: fields.count("productId")?,
            product_name: fields.text("productName")?,
            price: fields.count("price")?,
        })
    }
}

use rest::{Resource, Search};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain;
use crate::use_cases::ports::Field;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Receipt {
    id: i64,
    pre_reservation_id: i64,
    payment_id: i64,
    user_id: i64,
    product_id: i64,
    product_name: String,
    price: i64,
    /// 21 days after the payment.
    #[serde(with = "rest::date")]
    #[schema(value_type = String, format = DateTime)]
    expected_delivery_at: i64,
    #[schema(example = "receipt_issued")]
    status: &'static str,
    #[serde(with = "rest::date")]
    #[schema(value_type = String, format = DateTime)]
    created_at: i64,
    #[serde(with = "rest::date")]
    #[schema(value_type = String, format = DateTime)]
    modified_at: i64,
    /// Its entity tag.
    #[serde(skip)]
    version: i64,
}

impl From<domain::Receipt> for Receipt {
    fn from(receipt: domain::Receipt) -> Self {
        let expected_delivery_at = receipt.expected_delivery_at();
        let purchase = receipt.purchase;
        Self {
            id: receipt.id,
            pre_reservation_id: receipt.reservation_id,
            payment_id: purchase.payment_id,
            user_id: purchase.user_id,
            product_id: purchase.product_id,
            product_name: purchase.product_name,
            price: purchase.price,
            expected_delivery_at,
            status: receipt.status.as_str(),
            created_at: receipt.created_at,
            modified_at: receipt.modified_at,
            version: receipt.version,
        }
    }
}

impl Resource for Receipt {
    const ITEM: &'static str = "receipt";
    const COLLECTION: &'static str = "receipts";
    type Field = Field;
    const SORTABLE: &'static [(&'static str, Field)] = &[
        ("id", Field::Id),
        ("createdAt", Field::CreatedAt),
        ("userId", Field::UserId),
        ("price", Field::Price),
    ];
    const SEARCHES: &'static [Search<Field>] =
        &[Search { name: "findByUserId", parameter: "userId", field: Field::UserId }];

    fn id(&self) -> i64 {
        self.id
    }

    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

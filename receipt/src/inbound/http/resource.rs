use rest::{Date, Resource, Search};
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
    expected_delivery_at: Date,
    #[schema(example = "receipt_issued")]
    status: &'static str,
    created_at: Date,
    modified_at: Date,
    /// Its entity tag.
    #[serde(skip)]
    version: i64,
}

impl From<domain::Receipt> for Receipt {
    fn from(receipt: domain::Receipt) -> Self {
        Self {
            expected_delivery_at: Date(receipt.expected_delivery_at()),
            id: receipt.id,
            pre_reservation_id: receipt.reservation_id,
            payment_id: receipt.payment_id,
            user_id: receipt.purchase.user_id,
            product_id: receipt.purchase.product_id,
            product_name: receipt.purchase.product_name,
            price: receipt.purchase.price,
            status: receipt.status.as_str(),
            created_at: Date(receipt.created_at),
            modified_at: Date(receipt.modified_at),
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

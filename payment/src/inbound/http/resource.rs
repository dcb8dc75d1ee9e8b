//! What clients send and see.

use rest::{Date, Resource, Search};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Payment;
use crate::use_cases::ports::Field;

/// The body of `POST /payments`. Numbers may be text; unknown fields are ignored. Texts are not blank and
/// have no control characters.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(
    dead_code,
    reason = "describes the body in the OpenAPI document; it is read field by field, all errors at once"
)]
pub(super) struct NewPayment {
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991i64, example = 1)]
    pre_reservation_id: i64,
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991i64, example = 1)]
    user_id: i64,
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991i64, example = 1)]
    product_id: i64,
    #[schema(
        max_length = 200,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$",
        example = "fold"
    )]
    product_name: String,
    /// In the smallest unit of the currency.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991i64, example = 1_300_000)]
    price: i64,
    /// 12 to 19 digits, spaces and dashes allowed.
    #[schema(max_length = 64, pattern = r"^[ -]*([0-9][ -]*){12,19}$", example = "1234-1234-1234-1234")]
    card_no: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentItem {
    id: i64,
    pre_reservation_id: i64,
    user_id: i64,
    product_id: i64,
    product_name: String,
    price: i64,
    /// Masked.
    #[schema(example = "****-****-****-1234")]
    card_no: String,
    #[schema(example = "paid")]
    status: &'static str,
    created_at: Date,
    modified_at: Date,
    /// Its entity tag.
    #[serde(skip)]
    version: i64,
}

impl From<Payment> for PaymentItem {
    fn from(payment: Payment) -> Self {
        let status = payment.status().as_str();
        let order = payment.order;
        Self {
            id: payment.id,
            pre_reservation_id: order.reservation_id,
            user_id: order.user_id,
            product_id: order.product_id,
            product_name: order.product_name,
            price: order.price,
            card_no: order.card.as_str().to_owned(),
            status,
            created_at: Date(payment.created_at),
            modified_at: Date(payment.modified_at),
            version: payment.version,
        }
    }
}

impl Resource for PaymentItem {
    const ITEM: &'static str = "payment";
    const COLLECTION: &'static str = "payments";
    type Field = Field;
    /// An order by two fields has no index.
    const MOST_SORTS: usize = 1;
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

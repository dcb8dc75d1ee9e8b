//! What clients send and see.

use rest::{Date, Resource, Search};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Reservation;
use crate::use_cases::ports::Field;

/// The body of `POST /preReservations`. Numbers may be text; unknown fields are ignored. Texts are not blank and
/// have no control characters.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(
    dead_code,
    reason = "describes the body in the OpenAPI document; it is read field by field, all errors at once"
)]
pub(super) struct NewPreReservation {
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991i64, example = 1)]
    user_id: i64,
    #[schema(
        max_length = 500,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$",
        example = "seoul"
    )]
    user_address: String,
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
pub(super) struct PreReservation {
    id: i64,
    user_id: i64,
    user_address: String,
    product_id: i64,
    product_name: String,
    price: i64,
    /// Masked.
    #[schema(example = "****-****-****-1234")]
    card_no: String,
    #[schema(example = "reservated")]
    status: &'static str,
    created_at: Date,
    modified_at: Date,
    /// Its entity tag.
    #[serde(skip)]
    version: i64,
}

impl From<Reservation> for PreReservation {
    fn from(reservation: Reservation) -> Self {
        let details = reservation.details;
        Self {
            id: reservation.id,
            user_id: details.user_id,
            user_address: details.user_address,
            product_id: details.product_id,
            product_name: details.product_name,
            price: details.price,
            card_no: details.masked_card,
            status: reservation.status.as_str(),
            created_at: Date(reservation.created_at),
            modified_at: Date(reservation.modified_at),
            version: reservation.version,
        }
    }
}

impl Resource for PreReservation {
    const ITEM: &'static str = "preReservation";
    const COLLECTION: &'static str = "preReservations";
    /// Ids are given in the order of creation, so `createdAt` needs no index of its own.
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

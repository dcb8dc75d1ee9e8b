use rest::{Date, Resource, Search};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain;
use crate::use_cases::ports::Field;

/// The union of pre-reservation, payment and receipt. What is not known (yet) is null.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MyReservation {
    /// The pre-reservation's.
    id: i64,
    user_id: i64,
    user_address: Option<String>,
    product_id: i64,
    product_name: String,
    price: i64,
    /// Masked.
    #[schema(example = "****-****-****-1234")]
    card_no: Option<String>,
    /// The cancelled facet's, if one is; else the farthest step's.
    #[schema(example = "receipt_issued")]
    status: &'static str,
    #[schema(example = "reservated")]
    reservation_status: Option<&'static str>,
    #[schema(example = "paid")]
    payment_status: Option<&'static str>,
    #[schema(example = "receipt_issued")]
    receipt_status: Option<&'static str>,
    /// Why the reservation was cancelled, a code.
    #[schema(example = "cancelled_by_customer")]
    cancel_reason: Option<String>,
    cancel_detail: Option<String>,
    payment_id: Option<i64>,
    receipt_id: Option<i64>,
    expected_delivery_at: Option<Date>,
    created_at: Date,
    modified_at: Date,
    reservation_modified_at: Option<Date>,
    payment_created_at: Option<Date>,
    payment_modified_at: Option<Date>,
    receipt_created_at: Option<Date>,
    receipt_modified_at: Option<Date>,
    /// Its entity tag.
    #[serde(skip)]
    version: i64,
}

impl From<domain::MyReservation> for MyReservation {
    fn from(view: domain::MyReservation) -> Self {
        let status = view.status().map_or("", |status| status.as_str());
        let modified_at = view.modified_at();
        let saga = view.saga();
        let version = view.version();
        let domain::MyReservation { id, purchase, reservation, payment, receipt } = view;
        let reservation_modified_at = reservation.as_ref().map(|facet| Date(facet.modified_at));
        let cancellation = reservation.and_then(|facet| facet.cancellation);
        let (cancel_reason, cancel_detail) = cancellation
            .map_or((None, None), |cancellation| (Some(cancellation.reason), cancellation.detail));
        Self {
            id,
            user_id: purchase.user_id,
            user_address: purchase.user_address,
            product_id: purchase.product_id,
            product_name: purchase.product_name,
            price: purchase.price,
            card_no: purchase.card_no,
            status,
            reservation_status: saga.reservation.map(|status| status.as_str()),
            payment_status: saga.payment.map(|status| status.as_str()),
            receipt_status: saga.receipt.map(|status| status.as_str()),
            cancel_reason,
            cancel_detail,
            payment_id: payment.as_ref().map(|facet| facet.id),
            receipt_id: receipt.as_ref().map(|facet| facet.id),
            expected_delivery_at: receipt.as_ref().map(|facet| Date(facet.expected_delivery_at)),
            created_at: Date(purchase.created_at),
            modified_at: Date(modified_at),
            reservation_modified_at,
            payment_created_at: payment.as_ref().map(|facet| Date(facet.created_at)),
            payment_modified_at: payment.as_ref().map(|facet| Date(facet.modified_at)),
            receipt_created_at: receipt.as_ref().map(|facet| Date(facet.created_at)),
            receipt_modified_at: receipt.as_ref().map(|facet| Date(facet.modified_at)),
            version,
        }
    }
}

impl Resource for MyReservation {
    const ITEM: &'static str = "myReservation";
    const COLLECTION: &'static str = "myReservations";
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

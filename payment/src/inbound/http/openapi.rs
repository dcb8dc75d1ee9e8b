use http_common::Problem;
use utoipa::OpenApi;

use super::resource::{NewPayment, PaymentItem};

#[derive(OpenApi)]
#[openapi(
    info(title = "payment", description = "Charges cards for reservations, and gives the money back."),
    paths(super::charge, super::find, super::list, super::find_by_user_id),
    components(schemas(NewPayment, PaymentItem, Problem))
)]
struct Document;

/// The service's OpenAPI 3.1 document, generated from the code.
pub fn document() -> utoipa::openapi::OpenApi {
    rest::openapi::complete(Document::openapi())
}

pub(super) fn json() -> String {
    // Made of constants: there is nothing in it that could not be printed.
    document().to_json().unwrap_or_default()
}

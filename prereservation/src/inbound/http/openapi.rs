use http_common::Problem;
use utoipa::OpenApi;

use super::resource::{NewPreReservation, PreReservation};

#[derive(OpenApi)]
#[openapi(
    info(title = "prereservation", description = "Takes and cancels reservations."),
    paths(super::reserve, super::cancel, super::find, super::list, super::find_by_user_id),
    components(schemas(NewPreReservation, PreReservation, Problem))
)]
struct Document;

/// The service's OpenAPI 3.1 document, generated from the code.
pub fn document() -> utoipa::openapi::OpenApi {
    rest::openapi::complete(Document::openapi())
}

pub(super) fn json() -> String {
    // The document is built from constants; a failure to print it would be one of the build.
    document().to_json().unwrap_or_default()
}

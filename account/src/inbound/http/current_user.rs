use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CurrentUser {
    current_user: Option<i64>,
}

#[utoipa::path(
    get, path = "/users/currentuser", tag = "users",
    responses((status = 200, description = "who asks, or null", body = CurrentUser, content_type = "application/json"))
)]
pub(super) async fn current_user() -> HttpResponse {
    HttpResponse::Ok().json(CurrentUser { current_user: None })
}

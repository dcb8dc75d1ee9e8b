use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;

use super::use_cases::{MaxAge, UseCases};

#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "keys",
    responses((status = 200, description = "the public keys of tokens (RFC 7517); two while one is rotated", content_type = "application/json"))
)]
pub(super) async fn key_set(use_cases: Data<UseCases>) -> HttpResponse {
    let MaxAge(seconds) = use_cases.max_age;
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, format!("public, max-age={seconds}")))
        .json(use_cases.keys.jwks())
}

//! `/users`: requests to commands, outcomes to answers.

mod current_user;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use rest::Api;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "account",
        description = "Knows the users, signs them in, and says to all services who is who."
    ),
    paths(current_user::current_user)
)]
struct Document;

pub fn configure(config: &mut ServiceConfig) {
    Api::new(config, Document::openapi())
        .endpoint(Method::GET, "/users/currentuser", current_user::current_user)
        .finish();
}

//! `/users`: requests to commands, outcomes to answers.

mod current_user;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use rest::Api;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(current_user::current_user))]
struct Commands;

pub fn configure(config: &mut ServiceConfig) {
    Api::new(config, "account", "Knows the users, signs them in, and says to all services who is who.")
        .describing(Commands::openapi())
        .endpoint(Method::GET, "/users/currentuser", current_user::current_user)
        .finish();
}

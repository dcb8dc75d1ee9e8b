//! `/users`: requests to commands, outcomes to answers.

mod administration;
mod audit;
mod client;
mod command;
mod cookies;
mod key_set;
mod reading;
mod resource;
mod session;
mod use_cases;

use actix_web::http::Method;
use actix_web::web::{Data, ServiceConfig};
use rest::{Api, Collection};
use rights::Reading;
use utoipa::OpenApi;

pub use audit::describe;
pub use cookies::Cookies;
use reading::MayRead;
use resource::UserItem;
pub use use_cases::{MaxAge, UseCases};

#[derive(OpenApi)]
#[openapi(
    paths(
        session::sign_up,
        session::sign_in,
        session::sign_out,
        session::refresh,
        session::current_user,
        administration::change_roles,
        administration::ban,
        administration::unban,
        key_set::key_set
    ),
    components(schemas(command::NewUser, command::Credentials, command::NewRoles, command::NewBan))
)]
struct Commands;

pub fn configure(config: &mut ServiceConfig, use_cases: Data<UseCases>) {
    // Who sees what is said by `MayRead`, in both modes alike.
    let users = Collection::<UserItem, _, MayRead>::reading(Reading::of_all(use_cases.users.clone()));
    config.app_data(use_cases);
    Api::new(config, "account", "Knows the users, signs them in, and says to all services who is who.")
        .describing(Commands::openapi())
        .collection(users)
        .endpoint(Method::POST, "/users/signup", session::sign_up)
        .endpoint(Method::POST, "/users/signin", session::sign_in)
        .endpoint(Method::POST, "/users/signout", session::sign_out)
        .endpoint(Method::POST, "/users/refresh", session::refresh)
        .endpoint(Method::GET, "/users/currentuser", session::current_user)
        .endpoint(Method::PUT, "/users/{id}/roles", administration::change_roles)
        .endpoint(Method::POST, "/users/{id}/ban", administration::ban)
        .endpoint(Method::POST, "/users/{id}/unban", administration::unban)
        .endpoint(Method::GET, "/.well-known/jwks.json", key_set::key_set)
        .finish();
}

//! Roles and bans.

use actix_web::HttpResponse;
use actix_web::web::Data;
use http_common::Problem;
use rest::{Answer, Body, Caller, Id};

use super::use_cases::UseCases;
use super::{audit, command};
use crate::use_cases::administer::Administered;

#[utoipa::path(
    put, path = "/users/{id}/roles", tag = "users", params(("id" = i64, Path)), request_body = command::NewRoles,
    responses(
        (status = 204, description = "these are the roles; tokens of before keep theirs until they expire"),
        (status = 401, description = "not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "no administrator", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such user", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "an administrator cannot take this role from himself", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn change_roles(
    use_cases: Data<UseCases>,
    Caller(caller): Caller,
    Id(id): Id,
    body: Body,
) -> Answer {
    // Who may not do it is told so, whatever he sends.
    let done = match caller.is_admin() {
        true => use_cases.administer.change_roles(&caller, id, command::roles(&body)?).await?,
        false => use_cases.administer.change_roles(&caller, id, identity::Roles::default()).await?,
    };
    answer("roles", done, caller.user_id(), id)
}

#[utoipa::path(
    post, path = "/users/{id}/ban", tag = "users", params(("id" = i64, Path)), request_body = Option<command::NewBan>,
    responses(
        (status = 204, description = "banned: all sessions are ended, and every service refuses the tokens that are left"),
        (status = 401, description = "not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "no administrator", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such user", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "an administrator cannot ban himself", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn ban(use_cases: Data<UseCases>, Caller(caller): Caller, Id(id): Id, body: Body) -> Answer {
    let reason = if caller.is_admin() { command::reason(&body)? } else { None };
    let done = use_cases.administer.ban(&caller, id, reason).await?;
    answer("ban", done, caller.user_id(), id)
}

#[utoipa::path(
    post, path = "/users/{id}/unban", tag = "users", params(("id" = i64, Path)),
    responses(
        (status = 204, description = "not banned; the user may sign in again"),
        (status = 401, description = "not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "no administrator", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such user", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn unban(use_cases: Data<UseCases>, Caller(caller): Caller, Id(id): Id) -> Answer {
    let done = use_cases.administer.unban(&caller, id).await?;
    answer("unban", done, caller.user_id(), id)
}

fn answer(what: &'static str, done: Administered, by: Option<i64>, user_id: i64) -> Answer {
    let (outcome, problem) = match done {
        Administered::Done => ("done", None),
        Administered::NoSuchUser => ("no-such-user", Some(Problem::not_found())),
        Administered::Oneself => (
            "oneself",
            Some(Problem::conflict("An administrator cannot take this right from himself; another one can.")),
        ),
        Administered::TooOften => {
            ("too-often", Some(Problem::conflict("This user was changed too often to be changed again.")))
        }
        Administered::NotSignedIn => ("not-signed-in", Some(Problem::unauthorized())),
        Administered::NoAdministrator => {
            ("no-administrator", Some(Problem::forbidden("Only an administrator may do this.")))
        }
    };
    audit::administration(what, outcome, by, user_id);
    match problem {
        None => Ok(HttpResponse::NoContent().finish()),
        Some(problem) => Err(problem.into()),
    }
}

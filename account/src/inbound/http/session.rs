//! Sign up, in, out, refresh, and who one is.

use actix_web::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use http_common::Problem;
use rest::{Answer, Base, Body, Caller, Failure};

use super::resource::{CurrentUser, Oneself};
use super::use_cases::UseCases;
use super::{audit, client, command};
use crate::use_cases::refresh::Refreshed;
use crate::use_cases::sessions::Session;
use crate::use_cases::sign_in::SignedIn;
use crate::use_cases::sign_up::{SignError, SignedUp};
use crate::use_cases::throttle::Wait;

const BUSY_S: u64 = 1;

#[utoipa::path(
    post, path = "/users/signup", tag = "users", request_body = command::NewUser,
    responses(
        (status = 201, description = "signed up, and in: the cookies are set", body = Oneself, content_type = "application/json"),
        (status = 400, description = "malformed or invalid", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the address is taken", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "too many sign-ups of this client", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn sign_up(
    use_cases: Data<UseCases>,
    base: Base,
    client::From(client): client::From,
    body: Body,
) -> Answer {
    let (email, name, password) = command::new_user(&body)?;
    let address = email.clone();
    let said = |outcome, user_id| audit::sign_up(&address, client, outcome, user_id);
    match use_cases.sign_up.execute(email, name, password, client).await {
        Ok(SignedUp::Done(session)) => {
            said("done", Some(session.user.id));
            let mut response =
                given(&use_cases, HttpResponse::Created().json(Oneself::from(&session.user)), &session);
            let location = format!("{}/users/{}", base.origin(), session.user.id);
            if let Ok(location) = HeaderValue::from_str(&location) {
                response.headers_mut().insert(LOCATION, location);
            }
            Ok(response)
        }
        Ok(SignedUp::Taken) => {
            said("taken", None);
            Err(Problem::conflict("A user with this e-mail address exists already.").into())
        }
        Ok(SignedUp::TooMany(wait)) => {
            said("too-many", None);
            Err(too_many(wait))
        }
        Err(error) => {
            said("failed", None);
            Err(failed(&error, "The database is not available, and whether the user was made is not known."))
        }
    }
}

#[utoipa::path(
    post, path = "/users/signin", tag = "users", request_body = command::Credentials,
    responses(
        (status = 200, description = "signed in: the cookies are set", body = Oneself, content_type = "application/json"),
        (status = 400, description = "malformed or invalid", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "no such address, another password, or banned: which of them is not said", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "too many failures of this address or this client", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn sign_in(
    use_cases: Data<UseCases>,
    client::From(client): client::From,
    body: Body,
) -> Answer {
    let (email, password) = command::credentials(&body)?;
    let address = email.clone();
    let said = |outcome, user_id| audit::sign_in(&address, client, outcome, user_id);
    match use_cases.sign_in.execute(email, password, client).await {
        Ok(SignedIn::Done(session)) => {
            said("done", Some(session.user.id));
            Ok(given(&use_cases, HttpResponse::Ok().json(Oneself::from(&session.user)), &session))
        }
        Ok(SignedIn::Unknown) => {
            said("unknown", None);
            Err(not_signed_in())
        }
        Ok(SignedIn::Wrong) => {
            said("wrong", None);
            Err(not_signed_in())
        }
        Ok(SignedIn::Banned(user_id)) => {
            said("banned", Some(user_id));
            Err(not_signed_in())
        }
        Ok(SignedIn::TooMany(wait)) => {
            said("too-many", None);
            Err(too_many(wait))
        }
        Err(error) => {
            said("failed", None);
            Err(failed(&error, "The database is not available."))
        }
    }
}

#[utoipa::path(
    post, path = "/users/signout", tag = "users",
    responses((status = 204, description = "signed out: the cookies are cleared, and the session cannot be refreshed any more"))
)]
pub(super) async fn sign_out(use_cases: Data<UseCases>, request: HttpRequest) -> Answer {
    if let Some(shown) = use_cases.cookies.shown(&request)? {
        audit::sign_out(use_cases.sign_out.execute(&shown).await?);
    }
    let mut response = HttpResponse::NoContent().finish();
    use_cases.cookies.clear(&mut response);
    Ok(private(response))
}

#[utoipa::path(
    post, path = "/users/refresh", tag = "users",
    responses(
        (status = 204, description = "new cookies"),
        (status = 401, description = "no refresh token, or none that lives; one that was replaced before ends its session", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn refresh(use_cases: Data<UseCases>, request: HttpRequest) -> Answer {
    // Nobody's cookie is cleared by a refusal: another tab may have brought a newer one.
    let Some(shown) = use_cases.cookies.shown(&request)? else {
        audit::refresh("refused", None);
        return Err(not_refreshed());
    };
    match use_cases.refresh.execute(&shown).await? {
        Refreshed::Done(session) => {
            audit::refresh("done", Some(session.user.id));
            Ok(given(&use_cases, HttpResponse::NoContent().finish(), &session))
        }
        Refreshed::Tolerated(session) => {
            audit::refresh("tolerated", Some(session.user.id));
            Ok(given(&use_cases, HttpResponse::NoContent().finish(), &session))
        }
        Refreshed::Reused(user_id) => {
            audit::refresh("reused", Some(user_id));
            Err(not_refreshed())
        }
        Refreshed::Refused => {
            audit::refresh("refused", None);
            Err(not_refreshed())
        }
    }
}

#[utoipa::path(
    get, path = "/users/currentuser", tag = "users",
    responses((status = 200, description = "who asks; null without a valid token", body = CurrentUser, content_type = "application/json"))
)]
pub(super) async fn current_user(use_cases: Data<UseCases>, caller: Result<Caller, Failure>) -> Answer {
    // To ask who one is needs no token, in no mode.
    let user_id = match caller {
        Ok(Caller(caller)) => caller.user_id(),
        Err(failure) if failure.problem().status == 401 => None,
        Err(failure) => return Err(failure),
    };
    let user = match user_id {
        Some(id) => use_cases.users.item(id).await?.filter(|user| user.ban.is_none()),
        None => None,
    };
    Ok(private(HttpResponse::Ok().json(CurrentUser { current_user: user.as_ref().map(Oneself::from) })))
}

fn given(use_cases: &UseCases, mut response: HttpResponse, session: &Session) -> HttpResponse {
    use_cases.cookies.set(&mut response, session);
    private(response)
}

/// No cache may give one user's answer to another.
fn private(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn not_signed_in() -> Failure {
    Problem::new(401).detail("E-mail address and password do not belong together.").into()
}

fn not_refreshed() -> Failure {
    Problem::new(401).detail("The session has ended. Sign in again.").into()
}

fn too_many(Wait(seconds): Wait) -> Failure {
    Problem::new(429).detail("Too many attempts. Try again later.").retry_after(seconds).into()
}

fn failed(error: &SignError, unavailable: &'static str) -> Failure {
    match error {
        SignError::Busy(_) => {
            Problem::unavailable("Too many users sign in at the moment. Try again.", BUSY_S).into()
        }
        SignError::Hash(error) => {
            tracing::error!(error = error as &dyn std::error::Error, "a password could not be checked");
            Problem::internal().into()
        }
        SignError::Store(error) => Failure::of_store(error, unavailable),
    }
}

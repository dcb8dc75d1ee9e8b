//! `/preReservations`: requests to commands, outcomes to answers.

mod command;
mod outcome;
mod resource;

use actix_web::HttpRequest;
use actix_web::web::{Data, ServiceConfig};
use http_common::Problem;
use rest::{Answer, Api, Base, Body, Caller, Collection, Id, Preconditions};
use utoipa::OpenApi;

use crate::use_cases::UseCases;
use resource::PreReservation;

#[derive(OpenApi)]
#[openapi(paths(reserve, cancel), components(schemas(resource::NewPreReservation)))]
struct Commands;

pub fn configure(config: &mut ServiceConfig, use_cases: Data<UseCases>) {
    let reservations =
        Collection::<PreReservation, _>::reading(use_cases.reading.clone()).create(reserve).delete(cancel);
    config.app_data(use_cases);
    Api::new(config, "prereservation", "Takes and cancels reservations.")
        .describing(Commands::openapi())
        .collection(reservations)
        .finish();
}

#[utoipa::path(
    post, path = "/preReservations", tag = "preReservations", request_body = resource::NewPreReservation,
    params(("Idempotency-Key" = Option<String>, Header, max_length = 255, pattern = "^[!-~]+$", description = "at most 255 characters, kept 24 hours")),
    responses(
        (status = 201, description = "reserved and paid", body = PreReservation, content_type = "application/hal+json"),
        (status = 400, description = "malformed or invalid", body = Problem, content_type = "application/problem+json"),
        (status = 402, description = "card declined, nothing charged", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "no customer, or `userId` is another one's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "a request with this key is in flight", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "the key came with another request before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "not reserved; says what happened to the money", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn reserve(
    caller: Caller,
    base: Base,
    request: HttpRequest,
    body: Body,
    use_cases: Data<UseCases>,
) -> Answer {
    let command = command::parse(&request, &caller.0, &body)?;
    let outcome = use_cases
        .reserve
        .execute(&caller.0, command.order, command.card, command.key)
        .await
        .map_err(|error| outcome::not_begun(&error))?;
    outcome::answer(&base, outcome)
}

#[utoipa::path(
    delete, path = "/preReservations/{id}", tag = "preReservations",
    params(
        ("id" = i64, Path),
        ("If-Match" = Option<String>, Header, description = "only in this version, the `ETag` of the item; `*` or a list"),
        ("If-None-Match" = Option<String>, Header, description = "not in this version"),
    ),
    responses(
        (status = 204, description = "cancelled; the refund and the receipt follow"),
        (status = 400, description = "malformed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "no customer, or it belongs to another user", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "unknown, or cancelled before", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "it has another version by now; nothing was changed", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn cancel(caller: Caller, id: Id, conditions: Preconditions, use_cases: Data<UseCases>) -> Answer {
    let cancelled = use_cases.cancel.execute(&caller.0, id.0, |version| conditions.allow(version)).await;
    outcome::of_cancelling(cancelled.map_err(|error| outcome::perhaps_cancelled(&error))?)
}

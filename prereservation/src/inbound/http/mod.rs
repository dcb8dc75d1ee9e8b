//! `/preReservations`: requests to commands, outcomes to answers.

mod command;
mod openapi;
mod outcome;
mod resource;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use http_common::Problem;
use rest::conditional::Preconditions;
use rest::hal::{self, Base, Resource, Search};
use rest::input::{Body, Id, Query};
use rest::paging::{PageRequest, Paged};
use rest::routes;

use crate::domain::{Reservation, Status};
use crate::use_cases::UseCases;
use crate::use_cases::cancel::Cancellation;
use crate::use_cases::ports::ListQuery;
pub use openapi::document as openapi_document;
use resource::PreReservation;

/// Names the write, for `GET /myReservations` to wait for: `<reservation>.<version>`.
const MIN_VERSION: HeaderName = HeaderName::from_static("x-min-version");
const FIND_BY_USER_ID: Search = Search { name: "findByUserId", parameters: &["userId"] };

pub fn configure(config: &mut ServiceConfig, use_cases: Data<UseCases>) {
    config.app_data(use_cases);
    routes::resource::<PreReservation>()
        .list(list)
        .create(reserve)
        .get(find)
        .delete(cancel)
        .search(FIND_BY_USER_ID, find_by_user_id)
        .register(config);
    routes::root(config, &[PreReservation::COLLECTION], openapi::json());
}

#[utoipa::path(
    post, path = "/preReservations", tag = "preReservations", request_body = resource::NewPreReservation,
    params(("Idempotency-Key" = Option<String>, Header, max_length = 255, pattern = "^[!-~]+$", description = "at most 255 characters, kept 24 hours")),
    responses(
        (status = 201, description = "reserved and paid", body = PreReservation, content_type = "application/hal+json"),
        (status = 400, description = "malformed or invalid", body = Problem, content_type = "application/problem+json"),
        (status = 402, description = "card declined, nothing charged", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "a request with this key is in flight", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "the key came with another request before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "not reserved; says what happened to the money", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn reserve(base: Base, request: HttpRequest, body: Body, use_cases: Data<UseCases>) -> rest::Answer {
    let command = command::parse(&request, &body)?;
    let outcome = use_cases
        .reserve
        .execute(command.order, command.card, command.key)
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
        (status = 404, description = "unknown, or cancelled before", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "it has another version by now; nothing was changed", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn cancel(id: Id, conditions: Preconditions, use_cases: Data<UseCases>) -> rest::Answer {
    let cancelled = use_cases.cancel.execute(id.0, |version| conditions.allow(version)).await;
    match cancelled.map_err(|error| outcome::perhaps_cancelled(&error))? {
        Cancellation::Done(reservation) => Ok(with_min_version(hal::deleted(), &reservation)),
        Cancellation::OtherVersion(version) => Err(Preconditions::failed(version).into()),
        Cancellation::NotFound => Err(Problem::not_found().into()),
    }
}

#[utoipa::path(
    get, path = "/preReservations/{id}", tag = "preReservations", params(("id" = i64, Path)),
    responses(
        (status = 200, body = PreReservation, content_type = "application/hal+json"),
        (status = 404, description = "unknown, or cancelled", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn find(base: Base, id: Id, use_cases: Data<UseCases>) -> rest::Answer {
    let found = use_cases.store.find(id.0).await.map_err(|error| outcome::not_read(&error))?;
    match found {
        Some(reservation) if reservation.status != Status::Cancelled => {
            Ok(hal::item(&base, &PreReservation::from(reservation)))
        }
        _ => Err(Problem::not_found().into()),
    }
}

#[utoipa::path(
    get, path = "/preReservations", tag = "preReservations",
    params(
        ("page" = Option<u64>, Query, description = "from 0"),
        ("size" = Option<u64>, Query, description = "20 unless told, at most 1000"),
        ("sort" = Option<String>, Query, description = "id, userId, price or createdAt; `price,desc`"),
    ),
    responses((status = 200, description = "a page of what is not cancelled", content_type = "application/hal+json"))
)]
async fn list(base: Base, page: Paged<PreReservation>, use_cases: Data<UseCases>) -> rest::Answer {
    let (items, total) = page_of(&use_cases, None, &page).await?;
    Ok(hal::collection(&base, &page, &items, total)?.respond(&base))
}

#[utoipa::path(
    get, path = "/preReservations/search/findByUserId", tag = "preReservations",
    params(
        ("userId" = i64, Query),
        ("page" = Option<u64>, Query),
        ("size" = Option<u64>, Query),
        ("sort" = Option<String>, Query),
    ),
    responses((status = 200, description = "a page of the user's", content_type = "application/hal+json"))
)]
async fn find_by_user_id(
    base: Base,
    page: Paged<PreReservation>,
    query: Query,
    use_cases: Data<UseCases>,
) -> rest::Answer {
    let mut fields = query.fields();
    let user_id = fields.integer("userId", i64::MIN..=i64::MAX);
    fields.finish()?;
    let (items, total) = page_of(&use_cases, Some(user_id), &page).await?;
    let parameters: [(&str, &dyn std::fmt::Display); 1] = [("userId", &user_id)];
    let found = hal::search_result(&base, FIND_BY_USER_ID.name, &parameters, &page, &items, total)?;
    Ok(found.respond(&base))
}

async fn page_of(
    use_cases: &UseCases,
    user_id: Option<i64>,
    page: &PageRequest,
) -> Result<(Vec<PreReservation>, u64), Problem> {
    let query = ListQuery {
        user_id,
        offset: page.offset(),
        limit: page.limit(),
        order: page.sort.iter().map(|sort| (sort.column, sort.descending)).collect(),
    };
    let (found, total) = use_cases.store.list(&query).await.map_err(|error| outcome::not_read(&error))?;
    let items = found.into_iter().map(PreReservation::from).collect();
    Ok((items, u64::try_from(total).unwrap_or(0)))
}

fn with_min_version(mut response: HttpResponse, reservation: &Reservation) -> HttpResponse {
    let token = format!("{}.{}", reservation.id, reservation.version);
    if let Ok(token) = HeaderValue::from_str(&token) {
        response.headers_mut().insert(MIN_VERSION, token);
    }
    response
}

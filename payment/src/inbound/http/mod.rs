//! `/payments`: requests to commands, outcomes to answers.

mod answer;
mod callers;
mod command;
mod openapi;
mod resource;

use std::fmt::Display;
use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use http_common::Problem;
use rest::hal::{self, Base, Resource, Search};
use rest::input::{Body, Id, Query};
use rest::paging::{PageRequest, Paged};
use rest::routes;

use crate::use_cases::ports::{ListQuery, PaymentStore, SortField};
use crate::use_cases::{self, Charge};
use answer::{charge_failed, store_failed};
pub use callers::Callers;
use callers::MayCharge;
pub use openapi::document as openapi_document;
use resource::PaymentItem;

/// What clients can ask for.
pub struct UseCases {
    pub charge: Charge,
    pub store: Arc<dyn PaymentStore>,
    pub callers: Callers,
}

const FIND_BY_USER_ID: Search = Search { name: "findByUserId", parameters: &["userId"] };

/// There is no `DELETE`: a payment is taken back by cancelling its reservation, so that the two cannot disagree.
pub fn configure(config: &mut ServiceConfig, use_cases: Data<UseCases>) {
    config.app_data(use_cases);
    routes::resource::<PaymentItem>()
        .list(list)
        .create(charge)
        .get(find)
        .search(FIND_BY_USER_ID, find_by_user_id)
        .register(config);
    routes::root(config, &[PaymentItem::COLLECTION], openapi::json());
}

#[utoipa::path(
    post, path = "/payments", tag = "payments", request_body = resource::NewPayment,
    responses(
        (status = 201, description = "charged, by this request or by an earlier one of the same reservation", body = PaymentItem, content_type = "application/hal+json"),
        (status = 400, description = "malformed or invalid", body = Problem, content_type = "application/problem+json"),
        (status = 402, description = "card declined, nothing charged", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "not prereservation; nothing was charged", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the reservation was cancelled; what may have been charged is given back", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "the reservation has a payment with other content", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "whether the card is charged is not known; repeat the request, or cancel the reservation", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn charge(_: MayCharge, base: Base, body: Body, use_cases: Data<UseCases>) -> rest::Answer {
    let (order, card) = command::parse(&body)?;
    let outcome = use_cases.charge.charge(order, &card).await.map_err(|error| charge_failed(&error))?;
    answer::answer(&base, outcome)
}

#[utoipa::path(
    get, path = "/payments/{id}", tag = "payments", params(("id" = i64, Path)),
    responses(
        (status = 200, body = PaymentItem, content_type = "application/hal+json"),
        (status = 404, description = "unknown, not paid, or cancelled", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn find(base: Base, id: Id, use_cases: Data<UseCases>) -> rest::Answer {
    let found =
        use_cases::find(use_cases.store.as_ref(), id.0).await.map_err(|error| store_failed(&error))?;
    let payment = found.ok_or_else(Problem::not_found)?;
    Ok(hal::item(&base, &PaymentItem::from(payment)))
}

#[utoipa::path(
    get, path = "/payments", tag = "payments",
    params(
        ("page" = Option<u64>, Query, description = "from 0"),
        ("size" = Option<u64>, Query, description = "20 unless told, at most 1000"),
        ("sort" = Option<String>, Query, description = "one of id, userId, price, createdAt; `price,desc`"),
    ),
    responses((status = 200, description = "a page of the payments that stand", content_type = "application/hal+json"))
)]
async fn list(base: Base, page: Paged<PaymentItem>, use_cases: Data<UseCases>) -> rest::Answer {
    let page = by_one_field(page);
    let (items, total) = page_of(&use_cases, None, &page).await?;
    Ok(hal::collection(&base, &page, &items, total)?.respond(&base))
}

#[utoipa::path(
    get, path = "/payments/search/findByUserId", tag = "payments",
    params(
        ("userId" = i64, Query),
        ("page" = Option<u64>, Query),
        ("size" = Option<u64>, Query),
        ("sort" = Option<String>, Query),
    ),
    responses((status = 200, description = "a page of the user's payments that stand", content_type = "application/hal+json"))
)]
async fn find_by_user_id(
    base: Base,
    page: Paged<PaymentItem>,
    query: Query,
    use_cases: Data<UseCases>,
) -> rest::Answer {
    let mut fields = query.fields();
    let user_id = fields.integer("userId", i64::MIN..=i64::MAX);
    fields.finish()?;
    let page = by_one_field(page);
    let (items, total) = page_of(&use_cases, Some(user_id), &page).await?;
    let parameters: [(&str, &dyn Display); 1] = [("userId", &user_id)];
    let found = hal::search_result(&base, FIND_BY_USER_ID.name, &parameters, &page, &items, total)?;
    Ok(found.respond(&base))
}

/// The first field counts, and the links say so: an order by two of them has no index.
fn by_one_field(page: Paged<PaymentItem>) -> PageRequest {
    let mut page = page.into_inner();
    page.sort.truncate(1);
    page
}

async fn page_of(
    use_cases: &UseCases,
    user_id: Option<i64>,
    page: &PageRequest,
) -> Result<(Vec<PaymentItem>, u64), Problem> {
    let sort = page.sort.first();
    let query = ListQuery {
        user_id,
        sort: match sort.map(|sort| sort.field) {
            Some("userId") => SortField::UserId,
            Some("price") => SortField::Price,
            Some("createdAt") => SortField::CreatedAt,
            _ => SortField::Id,
        },
        descending: sort.is_some_and(|sort| sort.descending),
        offset: page.offset(),
        limit: page.limit(),
    };
    let page =
        use_cases::list(use_cases.store.as_ref(), &query).await.map_err(|error| store_failed(&error))?;
    Ok((page.payments.into_iter().map(PaymentItem::from).collect(), page.total))
}

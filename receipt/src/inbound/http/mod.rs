//! `/receipts`, read only: receipts are issued and withdrawn by facts.

mod resource;

use actix_web::web::{Data, ServiceConfig};
use http_common::Problem;
use rest::hal::{self, Base, Resource, Search};
use rest::input::{Id, Query};
use rest::openapi;
use rest::paging::{PageRequest, Paged};
use rest::routes;
use storage::StoreError;
use utoipa::OpenApi;

use crate::use_cases::ports::{ListQuery, ReceiptStore};
use resource::Receipt;

pub type Store = Data<std::sync::Arc<dyn ReceiptStore>>;

const FIND_BY_USER_ID: Search = Search { name: "findByUserId", parameters: &["userId"] };

#[derive(OpenApi)]
#[openapi(
    info(title = "receipt", description = "Receipts with their delivery date."),
    paths(find, list, find_by_user_id),
    components(schemas(Receipt, Problem))
)]
struct Document;

pub fn configure(config: &mut ServiceConfig, store: Store) {
    config.app_data(store);
    routes::resource::<Receipt>()
        .list(list)
        .get(find)
        .search(FIND_BY_USER_ID, find_by_user_id)
        .register(config);
    // The document is built from constants; a failure to print it would be one of the build.
    let document = openapi::complete(Document::openapi()).to_json().unwrap_or_default();
    routes::root(config, &[Receipt::COLLECTION], document);
}

#[utoipa::path(
    get, path = "/receipts/{id}", tag = "receipts", params(("id" = i64, Path)),
    responses(
        (status = 200, body = Receipt, content_type = "application/hal+json"),
        (status = 404, description = "unknown, or withdrawn", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn find(base: Base, id: Id, store: Store) -> rest::Answer {
    match store.find(id.0).await.map_err(|error| problem(&error))? {
        Some(receipt) => Ok(hal::item(&base, &Receipt::from(receipt))),
        None => Err(Problem::not_found().into()),
    }
}

#[utoipa::path(
    get, path = "/receipts", tag = "receipts",
    params(
        ("page" = Option<u64>, Query, description = "from 0"),
        ("size" = Option<u64>, Query, description = "20 unless told, at most 1000"),
        ("sort" = Option<String>, Query, description = "id, userId, price or createdAt; `price,desc`"),
    ),
    responses((status = 200, description = "a page of the receipts that stand", content_type = "application/hal+json"))
)]
async fn list(base: Base, page: Paged<Receipt>, store: Store) -> rest::Answer {
    let (items, total) = page_of(&store, None, &page).await?;
    Ok(hal::collection(&base, &page, &items, total)?.respond(&base))
}

#[utoipa::path(
    get, path = "/receipts/search/findByUserId", tag = "receipts",
    params(
        ("userId" = i64, Query),
        ("page" = Option<u64>, Query),
        ("size" = Option<u64>, Query),
        ("sort" = Option<String>, Query),
    ),
    responses((status = 200, description = "a page of the user's", content_type = "application/hal+json"))
)]
async fn find_by_user_id(base: Base, page: Paged<Receipt>, query: Query, store: Store) -> rest::Answer {
    let mut fields = query.fields();
    let user_id = fields.integer("userId", i64::MIN..=i64::MAX);
    fields.finish()?;
    let (items, total) = page_of(&store, Some(user_id), &page).await?;
    let parameters: [(&str, &dyn std::fmt::Display); 1] = [("userId", &user_id)];
    let found = hal::search_result(&base, FIND_BY_USER_ID.name, &parameters, &page, &items, total)?;
    Ok(found.respond(&base))
}

async fn page_of(
    store: &Store,
    user_id: Option<i64>,
    page: &PageRequest,
) -> Result<(Vec<Receipt>, u64), Problem> {
    let query = ListQuery {
        user_id,
        offset: page.offset(),
        limit: page.limit(),
        order: page.sort.iter().map(|sort| (sort.column, sort.descending)).collect(),
    };
    let (found, total) = store.list(&query).await.map_err(|error| problem(&error))?;
    Ok((found.into_iter().map(Receipt::from).collect(), u64::try_from(total).unwrap_or(0)))
}

/// The one place where the store's errors become problems.
fn problem(error: &StoreError) -> Problem {
    tracing::error!(%error, "the store failed");
    if error.is_unavailable() {
        Problem::unavailable("The database is not available.", 1)
    } else {
        Problem::internal()
    }
}

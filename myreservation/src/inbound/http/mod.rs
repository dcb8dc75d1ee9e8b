//! `/myReservations`, read only: the view follows from facts.

mod min_version;
mod resource;
mod timeline;

use std::fmt::Display;
use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use http_common::Problem;
use rest::SharedReads;
use rest::hal::{self, Base, Rendered, Resource, Search};
use rest::input::{Id, Query};
use rest::openapi;
use rest::paging::{PageRequest, Paged};
use rest::routes;
use storage::StoreError;
use utoipa::OpenApi;

use crate::use_cases::ports::{ListQuery, View};
use crate::use_cases::read_your_writes::ReadYourWrites;
use min_version::Wanted;
use resource::MyReservation;

pub type ViewData = Data<Arc<dyn View>>;
pub type Readers = Data<ReadYourWrites>;
pub type Pages = Data<SharedReads<Question, Rendered>>;

const FIND_BY_USER_ID: Search = Search { name: "findByUserId", parameters: &["userId"] };

#[derive(OpenApi)]
#[openapi(
    info(
        title = "myreservation",
        description = "Everything about a reservation in one place, cancelled ones too."
    ),
    paths(find, list, find_by_user_id, timeline::timeline),
    components(schemas(MyReservation, timeline::TimelineDocument, Problem))
)]
struct Document;

pub fn configure(config: &mut ServiceConfig, view: ViewData, readers: Readers, pages: Pages) {
    config.app_data(view).app_data(readers).app_data(pages);
    timeline::register(config);
    routes::resource::<MyReservation>()
        .list(list)
        .get(find)
        .search(FIND_BY_USER_ID, find_by_user_id)
        .register(config);
    // The document is built from constants; a failure to print it would be one of the build.
    let document = openapi::complete(Document::openapi()).to_json().unwrap_or_default();
    routes::root(config, &[MyReservation::COLLECTION], document);
}

#[utoipa::path(
    get, path = "/myReservations/{id}", tag = "myReservations",
    params(("id" = i64, Path, description = "the pre-reservation's"), min_version::MinVersionHeader),
    responses(
        (status = 200, body = MyReservation, content_type = "application/hal+json"),
        (status = 404, description = "nothing is known of it (yet)", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the view does not have the wanted version yet", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn find(base: Base, id: Id, wanted: Wanted, readers: Readers, view: ViewData) -> rest::Answer {
    wanted.wait(&readers).await?;
    match view.find(id.0).await.map_err(|error| problem(&error))? {
        Some(found) => Ok(hal::item(&base, &MyReservation::from(found))),
        None => Err(Problem::not_found().into()),
    }
}

#[utoipa::path(
    get, path = "/myReservations", tag = "myReservations",
    params(
        ("page" = Option<u64>, Query, description = "from 0"),
        ("size" = Option<u64>, Query, description = "20 unless told, at most 1000"),
        ("sort" = Option<String>, Query, description = "id, userId, price or createdAt; `price,desc`"),
        min_version::MinVersionHeader,
    ),
    responses((status = 200, description = "a page of all reservations", content_type = "application/hal+json"))
)]
async fn list(
    base: Base,
    page: Paged<MyReservation>,
    wanted: Wanted,
    readers: Readers,
    view: ViewData,
    pages: Pages,
) -> rest::Answer {
    wanted.wait(&readers).await?;
    respond_with(&pages, &view, Question { base, page: PageRequest::clone(&page), user_id: None }).await
}

#[utoipa::path(
    get, path = "/myReservations/search/findByUserId", tag = "myReservations",
    params(
        ("userId" = i64, Query),
        ("page" = Option<u64>, Query),
        ("size" = Option<u64>, Query),
        ("sort" = Option<String>, Query),
        min_version::MinVersionHeader,
    ),
    responses((status = 200, description = "a page of the user's", content_type = "application/hal+json"))
)]
async fn find_by_user_id(
    base: Base,
    page: Paged<MyReservation>,
    query: Query,
    wanted: Wanted,
    readers: Readers,
    view: ViewData,
    pages: Pages,
) -> rest::Answer {
    let mut fields = query.fields();
    let user_id = fields.integer("userId", i64::MIN..=i64::MAX);
    fields.finish()?;
    wanted.wait(&readers).await?;
    respond_with(&pages, &view, Question { base, page: PageRequest::clone(&page), user_id: Some(user_id) })
        .await
}

/// All that a page depends on, but for what the view holds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Question {
    base: Base,
    page: PageRequest,
    user_id: Option<i64>,
}

/// Read and rendered once for all who ask for the same page at the same time.
async fn respond_with(pages: &Pages, view: &ViewData, question: Question) -> rest::Answer {
    let (view, asked) = (Arc::clone(view), question.clone());
    let rendered =
        pages.get(question.clone(), move || async move { read(view.as_ref().as_ref(), &asked).await });
    Ok(rendered.await?.respond(&question.base))
}

async fn read(
    view: &dyn View,
    Question { base, page, user_id }: &Question,
) -> Result<Rendered, rest::Failure> {
    let query = ListQuery {
        user_id: *user_id,
        offset: page.offset(),
        limit: page.limit(),
        order: page.sort.iter().map(|sort| (sort.column, sort.descending)).collect(),
    };
    let (found, total) = view.list(&query).await.map_err(|error| problem(&error))?;
    let items: Vec<MyReservation> = found.into_iter().map(MyReservation::from).collect();
    let total = u64::try_from(total).unwrap_or(0);
    match user_id {
        None => hal::collection(base, page, &items, total),
        Some(user_id) => {
            let parameters: [(&str, &dyn Display); 1] = [("userId", user_id)];
            hal::search_result(base, FIND_BY_USER_ID.name, &parameters, page, &items, total)
        }
    }
}

/// The one place where the store's errors become problems.
fn problem(error: &StoreError) -> Problem {
    tracing::error!(%error, "the view cannot be read");
    if error.is_unavailable() {
        Problem::unavailable("The database is not available.", 1)
    } else {
        Problem::internal()
    }
}

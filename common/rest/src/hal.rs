//! HAL documents, written straight into the buffer that is sent.

use std::fmt::Display;

pub use crate::base::Base;
use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use bytes::Bytes;
use http_common::Problem;

use crate::{conditional::entity_tag, failure::Failure, paging::PageRequest, resource::Resource};

/// What an item takes, roughly; so that a page is rendered without growing its buffer.
const ITEM_BYTES: usize = 640;

/// 200 with one item.
pub fn item<T: Resource>(base: &Base, item: &T) -> HttpResponse {
    item_with_status(StatusCode::OK, base, item)
}

/// 201 with `Location` and the item.
pub fn created<T: Resource>(base: &Base, item: &T) -> HttpResponse {
    let mut response = item_with_status(StatusCode::CREATED, base, item);
    let mut location = Vec::with_capacity(96);
    write_item_path::<T>(&mut location, base, item.id());
    if let Ok(location) = HeaderValue::from_maybe_shared(Bytes::from(location)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// 204: it is gone.
#[must_use]
pub fn deleted() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

fn item_with_status<T: Resource>(status: StatusCode, base: &Base, item: &T) -> HttpResponse {
    let mut body = Vec::with_capacity(ITEM_BYTES);
    match write_item(&mut body, base, item) {
        Ok(()) => {
            let mut response = respond(status, base, body);
            if let Some(tag) = item.version().and_then(entity_tag) {
                response.headers_mut().insert(header::ETAG, tag);
            }
            response
        }
        Err(error) => unrenderable(&error).into_response(),
    }
}

/// A page, rendered; cheap to clone.
#[derive(Clone, Debug)]
pub struct Rendered(Bytes);

impl Rendered {
    /// 200 with the page. `base` is the one that it was rendered with.
    #[must_use]
    pub fn respond(self, base: &Base) -> HttpResponse {
        respond(StatusCode::OK, base, self.0)
    }
}

/// A page of the collection.
///
/// # Errors
/// 500 when an item's own `Serialize` fails.
pub fn collection<T: Resource>(
    base: &Base,
    page: &PageRequest<T::Field>,
    items: &[T],
    total: u64,
) -> Result<Rendered, Failure> {
    render_collection(base, &Place::collection::<T>(), page, items, total)
}

/// A page of what a search found. `parameters` are repeated in the links.
///
/// # Errors
/// 500 when an item's own `Serialize` fails.
pub fn search_result<T: Resource>(
    base: &Base,
    search: &str,
    parameters: &[(&str, &dyn Display)],
    page: &PageRequest<T::Field>,
    items: &[T],
    total: u64,
) -> Result<Rendered, Failure> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        query.append_pair(name, &value.to_string());
    }
    let place = Place { collection: T::COLLECTION, search: Some(search), query: query.finish() };
    render_collection(base, &place, page, items, total)
}

/// 200 with the links to the searches of a resource.
#[must_use]
pub fn searches<T: Resource>(base: &Base) -> HttpResponse {
    let mut body = Vec::with_capacity(256);
    body.extend_from_slice(br#"{"_links":{"#);
    let collection = T::COLLECTION;
    for search in T::SEARCHES {
        let at =
            ["\"", search.name, r#"":{"href":""#, base.origin(), "/", collection, "/search/", search.name];
        push_all(&mut body, &at);
        push_all(&mut body, &["{?", search.parameter, r#",page,size,sort}","templated":true},"#]);
    }
    push_all(&mut body, &[r#""self":{"href":""#, base.origin(), "/", collection, r#"/search"}}}"#]);
    respond(StatusCode::OK, base, body)
}

/// 200 with the links of `GET /`: the collections, and the documents that describe the service.
#[must_use]
pub fn root(base: &Base, collections: &[&str]) -> HttpResponse {
    let mut body = Vec::with_capacity(256);
    body.extend_from_slice(br#"{"_links":{"#);
    for collection in collections {
        push_all(
            &mut body,
            &[
                "\"",
                collection,
                r#"":{"href":""#,
                base.origin(),
                "/",
                collection,
                r#"{?page,size,sort}","templated":true},"#,
            ],
        );
    }
    // RFC 8631: the description of the service, for machines.
    push_all(
        &mut body,
        &[r#""service-desc":{"href":""#, base.origin(), r#"/openapi.json","type":"application/json"},"#],
    );
    push_all(&mut body, &[r#""self":{"href":""#, base.origin(), r#"/"}}}"#]);
    respond(StatusCode::OK, base, body)
}

/// One item with its links, appended to `body`.
///
/// # Errors
/// When the item's own `Serialize` fails.
fn write_item<T: Resource>(body: &mut Vec<u8>, base: &Base, item: &T) -> Result<(), serde_json::Error> {
    let start = body.len();
    serde_json::to_writer(&mut *body, item)?;
    if body.last() != Some(&b'}') {
        return Err(serde::ser::Error::custom(format_args!("{} is not rendered as a JSON object", T::ITEM)));
    }
    body.pop();
    if body.len() > start + 1 {
        body.push(b',');
    }
    body.extend_from_slice(br#""_links":{"self":{"href":""#);
    write_item_path::<T>(body, base, item.id());
    push_all(body, &[r#""},""#, T::ITEM, r#"":{"href":""#]);
    write_item_path::<T>(body, base, item.id());
    body.extend_from_slice(br#""}}}"#);
    Ok(())
}

fn write_item_path<T: Resource>(body: &mut Vec<u8>, base: &Base, id: i64) {
    push_all(body, &[base.origin(), "/", T::COLLECTION, "/"]);
    push_number(body, id);
}

/// Where a page was found: the collection itself, or a search with its parameters.
struct Place<'a> {
    collection: &'static str,
    search: Option<&'a str>,
    query: String,
}

impl Place<'_> {
    fn collection<T: Resource>() -> Self {
        Self { collection: T::COLLECTION, search: None, query: String::new() }
    }

    fn write_link<F>(
        &self,
        body: &mut Vec<u8>,
        base: &Base,
        relation: &str,
        number: u64,
        page: &PageRequest<F>,
    ) {
        push_all(body, &["\"", relation, r#"":{"href":""#, base.origin(), "/", self.collection]);
        if let Some(search) = self.search {
            push_all(body, &["/search/", search]);
        }
        body.push(b'?');
        if !self.query.is_empty() {
            push_all(body, &[&self.query, "&"]);
        }
        body.extend_from_slice(b"page=");
        push_number(body, number);
        body.extend_from_slice(b"&size=");
        push_number(body, page.size);
        for sort in &page.sort {
            push_all(body, &["&sort=", sort.name, if sort.descending { ",desc" } else { ",asc" }]);
        }
        body.extend_from_slice(br#""},"#);
    }
}

fn render_collection<T: Resource>(
    base: &Base,
    place: &Place,
    page: &PageRequest<T::Field>,
    items: &[T],
    total: u64,
) -> Result<Rendered, Failure> {
    let mut body = Vec::with_capacity(1024 + items.len() * ITEM_BYTES);
    write_collection(&mut body, base, place, page, items, total).map_err(|error| unrenderable(&error))?;
    Ok(Rendered(body.into()))
}

fn write_collection<T: Resource>(
    body: &mut Vec<u8>,
    base: &Base,
    place: &Place,
    page: &PageRequest<T::Field>,
    items: &[T],
    total: u64,
) -> Result<(), serde_json::Error> {
    push_all(body, &[r#"{"_embedded":{""#, T::COLLECTION, r#"":["#]);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        write_item(body, base, item)?;
    }
    body.extend_from_slice(br#"]},"_links":{"#);

    let pages = total.div_ceil(page.size.max(1));
    if pages > 1 {
        place.write_link(body, base, "first", 0, page);
    }
    if page.page > 0 && pages > 0 {
        // From a page past the end, the way back leads to the last one.
        place.write_link(body, base, "prev", (page.page - 1).min(pages - 1), page);
    }
    place.write_link(body, base, "self", page.page, page);
    if page.page.saturating_add(1) < pages {
        place.write_link(body, base, "next", page.page + 1, page);
    }
    if pages > 1 {
        place.write_link(body, base, "last", pages - 1, page);
    }
    if place.search.is_none() {
        push_all(body, &[r#""search":{"href":""#, base.origin(), "/", place.collection, r#"/search"}"#]);
    } else {
        // The comma after the last link.
        body.pop();
    }

    body.extend_from_slice(br#"},"page":{"size":"#);
    push_number(body, page.size);
    body.extend_from_slice(br#","totalElements":"#);
    push_number(body, total);
    body.extend_from_slice(br#","totalPages":"#);
    push_number(body, pages);
    body.extend_from_slice(br#","number":"#);
    push_number(body, page.page);
    body.extend_from_slice(b"}}");
    Ok(())
}

fn respond(status: StatusCode, base: &Base, body: impl Into<Bytes>) -> HttpResponse {
    let mut response = HttpResponse::new(status);
    response.headers_mut().insert(header::CONTENT_TYPE, base.media.header());
    response.set_body(actix_web::body::BoxBody::new(body.into()))
}

fn unrenderable(error: &serde_json::Error) -> Failure {
    tracing::error!(%error, "a resource could not be rendered");
    Problem::internal().into()
}

fn push_all(body: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        body.extend_from_slice(part.as_bytes());
    }
}

fn push_number(body: &mut Vec<u8>, number: impl itoa::Integer) {
    body.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

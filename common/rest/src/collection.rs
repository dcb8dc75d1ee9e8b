//! A resource over a store: list, item, searches, methods, `HEAD`, `OPTIONS`, 405, and its part of the OpenAPI document.
//! A service adds the commands that change something.
//!
//! ```
//! use std::sync::Arc;
//!
//! use actix_web::web::ServiceConfig;
//! use rest::{Api, Collection, Resource, Search};
//! use storage::{ListQuery, Readable, StoreError};
//! use utoipa::ToSchema;
//!
//! #[derive(Clone, Copy, PartialEq, Eq, Hash)]
//! enum Field {
//!     Id,
//!     UserId,
//! }
//!
//! #[derive(serde::Serialize, ToSchema)]
//! struct Receipt {
//!     id: i64,
//! }
//!
//! impl Resource for Receipt {
//!     const ITEM: &'static str = "receipt";
//!     const COLLECTION: &'static str = "receipts";
//!     type Field = Field;
//!     const SORTABLE: &'static [(&'static str, Field)] = &[("id", Field::Id)];
//!     const SEARCHES: &'static [Search<Field>] =
//!         &[Search { name: "findByUserId", parameter: "userId", field: Field::UserId }];
//!
//!     fn id(&self) -> i64 {
//!         self.id
//!     }
//! }
//!
//! fn configure(config: &mut ServiceConfig, store: Arc<impl Readable<Item = Receipt, Field = Field>>) {
//!     let receipts = Collection::<Receipt, _>::over(store);
//!     Api::new(config, "receipt", "Receipts with their delivery date.").collection(receipts).finish();
//! }
//! ```

use std::{fmt::Display, marker::PhantomData, sync::Arc};

use actix_web::{FromRequest, Handler, HttpRequest, Responder, Route, http::Method, web::ServiceConfig};
use http_common::Problem;
use rights::{Allowed, Reading};
use storage::Readable;
use utoipa::{ToSchema, openapi::OpenApi};

use crate::{
    base::Base,
    caller::Caller,
    failure::{Answer, Failure},
    hal::{self, Rendered},
    input::{Fields, Id},
    methods::Methods,
    openapi,
    paging::{PageRequest, Paged},
    read_condition::{AtOnce, ReadCondition},
    resource::{Resource, Search},
    shared_reads::SharedReads,
    to_the_end::to_the_end,
};

/// The pages of a collection that are being read, for all workers of a server.
pub type Pages<F> = SharedReads<Question<F>, Rendered>;

/// The routes of `R` over the store `S`, being collected. `C` is waited for before anything is read.
pub struct Collection<R: Resource, S: Readable + ?Sized, C = AtOnce> {
    reader: Reader<R, S, C>,
    on_collection: Methods,
    on_item: Methods,
    parts: Vec<(&'static str, Route)>,
}

impl<R, S> Collection<R, S>
where
    R: Resource + ToSchema + From<S::Item> + Send + 'static,
    S: Readable<Field = R::Field> + ?Sized,
{
    /// Shows to everybody what the store holds.
    #[must_use]
    pub fn over(store: Arc<S>) -> Self {
        Self::reading(Reading::of_all(store))
    }
}

impl<R, S, C> Collection<R, S, C>
where
    R: Resource + ToSchema + From<S::Item> + Send + 'static,
    S: Readable<Field = R::Field> + ?Sized,
    C: ReadCondition,
{
    /// Shows to each caller what he may see, once the condition holds.
    #[must_use]
    pub fn reading(reading: Reading<S>) -> Self {
        Self {
            reader: Reader { reading, pages: None, kinds: PhantomData },
            on_collection: Methods::default(),
            on_item: Methods::default(),
            parts: Vec::new(),
        }
    }

    /// Requests for a page that come while it is read share the next reading.
    #[must_use]
    pub fn sharing(mut self, pages: &Pages<R::Field>) -> Self {
        self.reader.pages = Some(pages.clone());
        self
    }

    /// `POST` to the collection. Runs [to its end](to_the_end), whatever the client does.
    #[must_use]
    pub fn create<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Future: 'static,
        F::Output: Responder + 'static,
    {
        self.on_collection.add(Method::POST, actix_web::web::to(to_the_end(handler)));
        self
    }

    /// `DELETE` of one item. Runs [to its end](to_the_end), whatever the client does.
    #[must_use]
    pub fn delete<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Future: 'static,
        F::Output: Responder + 'static,
    {
        self.on_item.add(Method::DELETE, actix_web::web::to(to_the_end(handler)));
        self
    }

    /// `GET` and `HEAD` of what an item has below it: `/{collection}/{id}/{name}`.
    #[must_use]
    pub fn part<F, Args>(mut self, name: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.parts.push((name, actix_web::web::to(handler)));
        self
    }

    pub(crate) fn describe(&self, document: &mut OpenApi) {
        openapi::describe::<R>(document, &C::into_params(|| None));
    }

    /// Hands everything to actix-web. The searches come first, or `search` would be taken for an id.
    pub(crate) fn register(mut self, config: &mut ServiceConfig) {
        let collection = R::COLLECTION;
        let links = |base: Base| async move { hal::searches::<R>(&base) };
        get(actix_web::web::to(links)).register(config, &format!("/{collection}/search"));
        for search in R::SEARCHES {
            get(self.reader.pages_of(Some(*search)))
                .register(config, &format!("/{collection}/search/{}", search.name));
        }
        self.on_collection.add_first(Method::GET, self.reader.pages_of(None));
        self.on_collection.register(config, &format!("/{collection}"));
        self.on_item.add_first(Method::GET, self.reader.items());
        self.on_item.register(config, &format!("/{collection}/{{id}}"));
        for (name, route) in self.parts {
            get(route).register(config, &format!("/{collection}/{{id}}/{name}"));
        }
    }
}

fn get(route: Route) -> Methods {
    let mut methods = Methods::default();
    methods.add(Method::GET, route);
    methods
}

/// All that a page depends on, but for what the store holds. What the caller may see is part of it, so that nobody shares
/// the answer to somebody who may see more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question<F> {
    base: Base,
    page: PageRequest<F>,
    search: Option<(Search<F>, i64)>,
    allowed: Allowed<F>,
}

struct Reader<R: Resource, S: Readable + ?Sized, C> {
    reading: Reading<S>,
    pages: Option<Pages<R::Field>>,
    kinds: PhantomData<fn() -> (R, C)>,
}

impl<R: Resource, S: Readable + ?Sized, C> Clone for Reader<R, S, C> {
    fn clone(&self) -> Self {
        Self { reading: self.reading.clone(), pages: self.pages.clone(), kinds: PhantomData }
    }
}

impl<R, S, C> Reader<R, S, C>
where
    R: Resource + From<S::Item> + Send + 'static,
    S: Readable<Field = R::Field> + ?Sized,
    C: ReadCondition,
{
    fn items(&self) -> Route {
        let reader = self.clone();
        actix_web::web::to(move |request: HttpRequest, caller: Caller, base: Base, id: Id| {
            let reader = reader.clone();
            async move { reader.item(&request, &caller, &base, id).await }
        })
    }

    fn pages_of(&self, search: Option<Search<R::Field>>) -> Route {
        let reader = self.clone();
        actix_web::web::to(move |request: HttpRequest, caller: Caller, base: Base, page: Paged<R>| {
            let reader = reader.clone();
            async move { reader.page(&request, &caller, base, page.into_inner(), search).await }
        })
    }

    async fn item(&self, request: &HttpRequest, caller: &Caller, base: &Base, id: Id) -> Answer {
        C::extract(request).await?;
        let item = self.reading.item(&caller.0, id.0).await?.ok_or_else(Problem::not_found)?;
        Ok(hal::item(base, &R::from(item)))
    }

    async fn page(
        &self,
        request: &HttpRequest,
        caller: &Caller,
        base: Base,
        page: PageRequest<R::Field>,
        search: Option<Search<R::Field>>,
    ) -> Answer {
        let search = match search {
            Some(search) => Some((search, value_of(&search, request.query_string())?)),
            None => None,
        };
        let filter = search.map(|(search, value)| (search.field, value));
        let allowed = self.reading.allowed(&caller.0, page.query(filter))?;
        C::extract(request).await?;
        let question = Question { base, page, search, allowed };
        let rendered = match &self.pages {
            None => self.read(&question).await?,
            Some(pages) => {
                let (reader, asked) = (self.clone(), question.clone());
                pages.get(question.clone(), move || async move { reader.read(&asked).await }).await?
            }
        };
        Ok(rendered.respond(&question.base))
    }

    async fn read(&self, question: &Question<R::Field>) -> Result<Rendered, Failure> {
        let Question { base, page, search, allowed } = question;
        let (items, total) = self.reading.list(allowed).await?;
        let items: Vec<R> = items.into_iter().map(R::from).collect();
        let total = u64::try_from(total).unwrap_or(0);
        match search {
            None => hal::collection(base, page, &items, total),
            Some((search, value)) => {
                let parameters: [(&str, &dyn Display); 1] = [(search.parameter, value)];
                hal::search_result(base, search.name, &parameters, page, &items, total)
            }
        }
    }
}

fn value_of<F>(search: &Search<F>, query: &str) -> Result<i64, Problem> {
    let mut fields = Fields::from_query(query);
    let value = fields.integer(search.parameter, i64::MIN..=i64::MAX);
    fields.finish()?;
    Ok(value)
}

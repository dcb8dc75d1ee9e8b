//! The routes of a resource, the same for every service: methods, `HEAD`, `OPTIONS`, 405, searches.
//!
//! ```
//! use actix_web::web::ServiceConfig;
//! use rest::{Answer, Base, Id, Paged, Resource, Search, hal, routes};
//!
//! #[derive(serde::Serialize)]
//! struct Receipt {
//!     id: i64,
//! }
//!
//! impl Resource for Receipt {
//!     const ITEM: &'static str = "receipt";
//!     const COLLECTION: &'static str = "receipts";
//!
//!     fn id(&self) -> i64 {
//!         self.id
//!     }
//! }
//!
//! async fn list(base: Base, page: Paged<Receipt>) -> Answer {
//!     Ok(hal::collection(&base, &page, &[Receipt { id: 1 }], 1)?.respond(&base))
//! }
//!
//! async fn get(base: Base, id: Id) -> Answer {
//!     Ok(hal::item(&base, &Receipt { id: id.0 }))
//! }
//!
//! fn configure(config: &mut ServiceConfig) {
//!     routes::resource::<Receipt>()
//!         .list(list)
//!         .get(get)
//!         .search(Search { name: "findAll", parameters: &[] }, list)
//!         .register(config);
//!     routes::root(config, &[Receipt::COLLECTION], r#"{"openapi":"3.1.0"}"#);
//! }
//! ```

use std::marker::PhantomData;

use actix_web::{
    FromRequest, Handler, HttpResponse, Responder, Route,
    http::Method,
    web::{self, Bytes, ServiceConfig},
};

pub use crate::to_the_end::to_the_end;
use crate::{
    base::Base,
    hal::{self, Resource, Search},
    methods::Methods,
};

/// Starts the routes of `R`.
#[must_use]
pub fn resource<R: Resource + 'static>() -> Routes<R> {
    Routes {
        on_collection: Methods::default(),
        on_item: Methods::default(),
        parts: Vec::new(),
        searches: Vec::new(),
        resource: PhantomData,
    }
}

/// The routes of a resource, being collected.
pub struct Routes<R> {
    on_collection: Methods,
    on_item: Methods,
    parts: Vec<(&'static str, Route)>,
    searches: Vec<(Search, Route)>,
    resource: PhantomData<R>,
}

impl<R: Resource + 'static> Routes<R> {
    /// `GET` and `HEAD` of the collection.
    #[must_use]
    pub fn list<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on_collection.add(Method::GET, web::to(handler));
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
        self.on_collection.add(Method::POST, web::to(to_the_end(handler)));
        self
    }

    /// `GET` and `HEAD` of one item.
    #[must_use]
    pub fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on_item.add(Method::GET, web::to(handler));
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
        self.on_item.add(Method::DELETE, web::to(to_the_end(handler)));
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
        self.parts.push((name, web::to(handler)));
        self
    }

    /// `GET` and `HEAD` of a search.
    #[must_use]
    pub fn search<F, Args>(mut self, search: Search, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.searches.push((search, web::to(handler)));
        self
    }

    /// Hands everything to actix-web. The searches come first, or `search` would be taken for an id.
    pub fn register(self, config: &mut ServiceConfig) {
        let collection = R::COLLECTION;
        let offered: Vec<Search> = self.searches.iter().map(|(search, _)| *search).collect();
        let mut on_searches = Methods::default();
        on_searches.add(
            Method::GET,
            web::to(move |base: Base| {
                let response = hal::searches(&base, collection, &offered);
                async move { response }
            }),
        );
        on_searches.register(config, &format!("/{collection}/search"));
        for (search, route) in self.searches {
            let mut on_search = Methods::default();
            on_search.add(Method::GET, route);
            on_search.register(config, &format!("/{collection}/search/{}", search.name));
        }
        self.on_collection.register(config, &format!("/{collection}"));
        self.on_item.register(config, &format!("/{collection}/{{id}}"));
        for (name, route) in self.parts {
            let mut on_part = Methods::default();
            on_part.add(Method::GET, route);
            on_part.register(config, &format!("/{collection}/{{id}}/{name}"));
        }
    }
}

/// `GET /` with the links of the service, and `GET /openapi.json`.
pub fn root(config: &mut ServiceConfig, collections: &'static [&'static str], openapi: impl Into<Bytes>) {
    let mut on_root = Methods::default();
    on_root.add(Method::GET, web::to(move |base: Base| async move { hal::root(&base, collections) }));
    on_root.register(config, "/");

    let openapi: Bytes = openapi.into();
    let mut on_openapi = Methods::default();
    on_openapi.add(
        Method::GET,
        web::to(move || {
            let document = openapi.clone();
            async move { HttpResponse::Ok().content_type(http_common::JSON).body(document) }
        }),
    );
    on_openapi.register(config, "/openapi.json");
}

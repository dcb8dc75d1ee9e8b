//! The routes of a resource, the same for every service: methods, `HEAD`, `OPTIONS`, 405, searches.
//!
//! ```
//! use actix_web::{HttpResponse, web::ServiceConfig};
//! use web::{Base, Id, Paged, Problem, Resource, Search, hal, routes};
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
//! async fn list(base: Base, page: Paged<Receipt>) -> HttpResponse {
//!     hal::collection(&base, &page, &[Receipt { id: 1 }], 1)
//! }
//!
//! async fn get(base: Base, id: Id) -> Result<HttpResponse, Problem> {
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
    guard::{self, Guard, GuardContext},
    http::header::{self, HeaderValue},
    web::{self, Bytes, ServiceConfig},
};

pub use crate::to_the_end::to_the_end;
use crate::{
    base::Base,
    hal::{self, Resource, Search},
    negotiation,
    problem::Problem,
    route_table,
};

/// Starts the routes of `R`.
#[must_use]
pub fn resource<R: Resource + 'static>() -> Routes<R> {
    Routes {
        on_collection: Methods::default(),
        on_item: Methods::default(),
        searches: Vec::new(),
        resource: PhantomData,
    }
}

/// The routes of a resource, being collected.
pub struct Routes<R> {
    on_collection: Methods,
    on_item: Methods,
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
        self.on_collection.add("GET", reading().to(handler));
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
        self.on_collection.add("POST", web::post().to(to_the_end(handler)));
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
        self.on_item.add("GET", reading().to(handler));
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
        self.on_item.add("DELETE", web::delete().to(to_the_end(handler)));
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
        self.searches.push((search, reading().to(handler)));
        self
    }

    /// Hands everything to actix-web. The searches come first, or `search` would be taken for an id.
    pub fn register(self, config: &mut ServiceConfig) {
        let collection = R::COLLECTION;
        let offered: Vec<Search> = self.searches.iter().map(|(search, _)| *search).collect();
        let mut on_searches = Methods::default();
        on_searches.add(
            "GET",
            reading().to(move |base: Base| {
                let response = hal::searches(&base, collection, &offered);
                async move { response }
            }),
        );
        on_searches.register(config, &format!("/{collection}/search"));
        for (search, route) in self.searches {
            let mut on_search = Methods::default();
            on_search.add("GET", route);
            on_search.register(config, &format!("/{collection}/search/{}", search.name));
        }
        self.on_collection.register(config, &format!("/{collection}"));
        self.on_item.register(config, &format!("/{collection}/{{id}}"));
    }
}

/// `GET /` with the links of the service, and `GET /openapi.json`.
pub fn root(config: &mut ServiceConfig, collections: &'static [&'static str], openapi: impl Into<Bytes>) {
    let mut on_root = Methods::default();
    on_root.add("GET", reading().to(move |base: Base| async move { hal::root(&base, collections) }));
    on_root.register(config, "/");

    let openapi: Bytes = openapi.into();
    let mut on_openapi = Methods::default();
    on_openapi.add(
        "GET",
        reading().to(move || {
            let document = openapi.clone();
            async move { HttpResponse::Ok().content_type(negotiation::JSON).body(document) }
        }),
    );
    on_openapi.register(config, "/openapi.json");
}

/// The methods of one path.
#[derive(Default)]
struct Methods {
    routes: Vec<Route>,
    names: Vec<&'static str>,
}

impl Methods {
    fn add(&mut self, name: &'static str, route: Route) {
        self.routes.push(route);
        self.names.push(name);
        if name == "GET" {
            self.names.push("HEAD");
        }
    }

    /// Registers the path with and without a slash at its end, `OPTIONS`, and 405 for what is left.
    fn register(mut self, config: &mut ServiceConfig, path: &str) {
        if self.routes.is_empty() {
            return;
        }
        self.names.push("OPTIONS");
        let allow = self.names.join(", ");
        route_table::declare(path);
        let paths =
            if path == "/" { vec![path.to_owned()] } else { vec![path.to_owned(), format!("{path}/")] };
        let mut service = web::resource(paths);
        for route in self.routes {
            service = service.route(route);
        }
        let allowed = allow.clone();
        service = service.route(web::method(actix_web::http::Method::OPTIONS).to(move || {
            let mut response = HttpResponse::Ok();
            if let Ok(value) = HeaderValue::from_str(&allowed) {
                response.insert_header((header::ALLOW, value));
            }
            async move { response.finish() }
        }));
        let service = service.default_service(web::to(move || {
            let problem = Problem::method_not_allowed(allow.clone());
            async move { Err::<HttpResponse, _>(problem) }
        }));
        config.service(service);
    }
}

/// `HEAD` is answered like `GET`; the server leaves the body out.
fn reading() -> Route {
    Route::new().guard(guard::fn_guard(get_or_head))
}

fn get_or_head(context: &GuardContext<'_>) -> bool {
    guard::Get().check(context) || guard::Head().check(context)
}

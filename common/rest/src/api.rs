//! All that a service shows: its collections, `GET /` with the links to them, and `GET /openapi.json`.

use actix_web::{
    FromRequest, Handler, HttpResponse, Responder,
    http::Method,
    web::{self, Bytes, ServiceConfig},
};
use http_common::JSON;
use storage::Readable;
use utoipa::{OpenApi as _, ToSchema, openapi::OpenApi};

use crate::{
    base::Base, collection::Collection, hal, methods::Methods, openapi, read_condition::ReadCondition,
    resource::Resource, to_the_end::to_the_end,
};

/// What is the same for all services of a release: its version and licence.
#[derive(utoipa::OpenApi)]
struct Document;

/// The collections of a service, being registered.
pub struct Api<'c> {
    config: &'c mut ServiceConfig,
    document: OpenApi,
    collections: Vec<&'static str>,
    endpoints: Vec<(&'static str, Methods)>,
    register: Vec<Register>,
}

/// Hands the routes of a collection to actix-web.
type Register = Box<dyn FnOnce(&mut ServiceConfig)>;

impl<'c> Api<'c> {
    #[must_use]
    pub fn new(config: &'c mut ServiceConfig, title: &str, description: &str) -> Self {
        let mut document = Document::openapi();
        document.info.title = title.to_owned();
        document.info.description = Some(description.to_owned());
        Self { config, document, collections: Vec::new(), endpoints: Vec::new(), register: Vec::new() }
    }

    /// Adds the commands of the service, and what they take, to the OpenAPI document.
    #[must_use]
    pub fn describing(mut self, commands: OpenApi) -> Self {
        self.document.merge(commands);
        self
    }

    #[must_use]
    pub fn collection<R, S, C>(mut self, collection: Collection<R, S, C>) -> Self
    where
        R: Resource + ToSchema + From<S::Item> + Send + 'static,
        S: Readable<Field = R::Field> + ?Sized,
        C: ReadCondition,
    {
        collection.describe(&mut self.document);
        self.register.push(Box::new(move |config| collection.register(config)));
        self.collections.push(R::COLLECTION);
        self
    }

    /// A command that is no item of a collection: `POST /users/signin`. Its path comes before those of the collections, so that
    /// its last part is taken for no id. What changes something runs [to its end](to_the_end), whatever the client does.
    #[must_use]
    pub fn endpoint<F, Args>(mut self, method: Method, path: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Future: 'static,
        F::Output: Responder + 'static,
    {
        let route = if method.is_safe() { web::to(handler) } else { web::to(to_the_end(handler)) };
        match self.endpoints.iter_mut().find(|(known, _)| *known == path) {
            Some((_, methods)) => methods.add(method, route),
            None => {
                let mut methods = Methods::default();
                methods.add(method, route);
                self.endpoints.push((path, methods));
            }
        }
        self
    }

    pub fn finish(self) {
        let Self { config, document, collections, endpoints, register } = self;
        for (path, methods) in endpoints {
            methods.register(config, path);
        }
        for register in register {
            register(config);
        }
        let mut on_root = Methods::default();
        let links = move |base: Base| {
            let response = hal::root(&base, &collections);
            async move { response }
        };
        on_root.add(Method::GET, web::to(links));
        on_root.register(config, "/");

        // The document is built from constants; a failure to print it would be one of the build.
        let document: Bytes = openapi::complete(document).to_json().unwrap_or_default().into();
        let mut on_openapi = Methods::default();
        let shown = move || {
            let document = document.clone();
            async move { HttpResponse::Ok().content_type(JSON).body(document) }
        };
        on_openapi.add(Method::GET, web::to(shown));
        on_openapi.register(config, "/openapi.json");
    }
}

//! All that a service shows: its collections, `GET /` with the links to them, and `GET /openapi.json`.

use actix_web::{
    HttpResponse,
    http::Method,
    web::{self, Bytes, ServiceConfig},
};
use http_common::JSON;
use storage::Readable;
use utoipa::{ToSchema, openapi::OpenApi};

use crate::{
    base::Base, collection::Collection, hal, methods::Methods, openapi, read_condition::ReadCondition,
    resource::Resource,
};

/// The collections of a service, being registered.
pub struct Api<'c> {
    config: &'c mut ServiceConfig,
    document: OpenApi,
    collections: Vec<&'static str>,
}

impl<'c> Api<'c> {
    /// `document` describes the service and its commands; what all collections have is added to it.
    #[must_use]
    pub fn new(config: &'c mut ServiceConfig, document: OpenApi) -> Self {
        Self { config, document, collections: Vec::new() }
    }

    #[must_use]
    pub fn collection<R, S, C>(mut self, collection: Collection<R, S, C>) -> Self
    where
        R: Resource + ToSchema + From<S::Item> + Send + 'static,
        S: Readable<Field = R::Field> + ?Sized,
        C: ReadCondition,
    {
        collection.describe(&mut self.document);
        collection.register(self.config);
        self.collections.push(R::COLLECTION);
        self
    }

    pub fn finish(self) {
        let Self { config, document, collections } = self;
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

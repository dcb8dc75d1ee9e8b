//! What the OpenAPI document of every resource says besides: the answers that come from the one place where all do, the shape
//! of a page, the links to the searches. The handlers describe only what is theirs.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, Content, ContentBuilder, HttpMethod, KnownFormat, ObjectBuilder, OpenApi, Ref, RefOr,
        Required, Response, ResponseBuilder, Schema, SchemaFormat,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::{ArrayBuilder, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use http_common::{JSON, PROBLEM_JSON, Problem, session};

use crate::{negotiation::HAL_JSON, resource::Resource};

/// On any path. A method that the path itself has is refused where `search` stands for the id.
const ALWAYS: &[(&str, &str)] = &[
    ("400", "malformed or invalid"),
    ("401", "the token does not hold, or the mode is required and there is none"),
    ("403", "the caller may not do this, or not with what belongs to others"),
    ("405", "the path does not have the method"),
    ("406", "neither application/hal+json nor application/json is wanted"),
    ("500", "a fault of the service"),
    ("503", "not at the moment; `Retry-After` says when to try again"),
];
const WITH_A_BODY: &[(&str, &str)] = &[
    ("408", "the body did not arrive in time"),
    ("413", "the body is too large"),
    ("415", "the body is neither application/json nor application/hal+json"),
];

/// The two ways to send a token, or none: whether that is enough is a setting.
fn secure(document: &mut OpenApi) {
    let cookie = ApiKeyValue::with_description(
        session::SESSION,
        &format!("set by account; `{}` where browsers speak HTTPS", session::SECURE_SESSION),
    );
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let of = |scheme: &str| SecurityRequirement::new(scheme, [] as [&str; 0]);
    document.security = Some(vec![SecurityRequirement::default(), of("cookie"), of("bearer")]);
}

/// Adds what a collection offers for reading. `parameters` are those of its condition.
pub(crate) fn describe<R: Resource + ToSchema>(document: &mut OpenApi, parameters: &[Parameter]) {
    let components = document.components.get_or_insert_with(Components::new);
    let mut schemas =
        vec![(R::name().into_owned(), R::schema()), (Problem::name().into_owned(), Problem::schema())];
    R::schemas(&mut schemas);
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);

    let collection = R::COLLECTION;
    let shown = Content::new(Some(Ref::from_schema_name(R::name())));
    let found = ResponseBuilder::new().description("the item").content(HAL_JSON, shown).build();
    let item = operation(collection, parameters)
        .parameter(parameter("id", ParameterIn::Path, Required::True, None))
        .response("200", found)
        .response("404", problem("there is none, or none any more"));
    document.paths.add_path_operation(format!("/{collection}/{{id}}"), vec![HttpMethod::Get], item);

    let sortable: Vec<&str> = R::SORTABLE.iter().map(|(name, _)| *name).collect();
    let page = || {
        let found = ResponseBuilder::new().description("a page").content(HAL_JSON, Content::default());
        let sort = format!("one of {}; `id,desc`", sortable.join(", "));
        let text = ObjectBuilder::new().schema_type(Type::String);
        operation(collection, parameters)
            .parameter(parameter("page", ParameterIn::Query, Required::False, Some("from 0")))
            .parameter(parameter(
                "size",
                ParameterIn::Query,
                Required::False,
                Some("20 unless told, at most 1000"),
            ))
            .parameter(
                ParameterBuilder::new()
                    .name("sort")
                    .parameter_in(ParameterIn::Query)
                    .required(Required::False)
                    .description(Some(sort))
                    .schema(Some(text)),
            )
            .response("200", found)
    };
    document.paths.add_path_operation(format!("/{collection}"), vec![HttpMethod::Get], page());
    for search in R::SEARCHES {
        let of = parameter(search.parameter, ParameterIn::Query, Required::True, None);
        let path = format!("/{collection}/search/{}", search.name);
        document.paths.add_path_operation(path, vec![HttpMethod::Get], page().parameter(of));
    }
}

fn operation(collection: &str, parameters: &[Parameter]) -> OperationBuilder {
    OperationBuilder::new().tag(collection).parameters(Some(parameters.to_vec()))
}

fn parameter(name: &str, place: ParameterIn, required: Required, description: Option<&str>) -> Parameter {
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum((required == Required::False).then_some(0));
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(description)
        .schema(Some(number))
        .build()
}

/// Completes a document that describes resources: `/{collection}`, `/{collection}/{id}` and what is below them. What a handler
/// describes itself stays as it is.
pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    let collections: Vec<(String, Option<RefOr<Schema>>)> = document
        .paths
        .paths
        .iter()
        .filter_map(|(path, item)| Some((path.strip_suffix("/{id}")?.to_owned(), shown(item))))
        .collect();
    for (collection, item) in collections {
        let name = collection.trim_start_matches('/');
        let page = page(name, item);
        for path in document.paths.paths.iter_mut() {
            if path.0 == &collection || path.0.starts_with(&format!("{collection}/search/")) {
                show(path.1, &page);
            }
        }
        document.paths.add_path_operation(
            format!("{collection}/search"),
            vec![HttpMethod::Get],
            searches(name),
        );
    }
    for item in document.paths.paths.values_mut() {
        for operation in
            [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten()
        {
            complete_operation(operation);
        }
    }
    secure(&mut document);
    document
}

fn complete_operation(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.parameter_in == ParameterIn::Path
            && let Some(RefOr::T(Schema::Object(id))) = &mut parameter.schema
        {
            // Ids are counted from 1, and `search` is none.
            id.minimum = Some(1.into());
        }
    }
    let with_a_body = operation.request_body.as_ref().map_or(&[][..], |_| WITH_A_BODY);
    for (status, description) in ALWAYS.iter().chain(with_a_body) {
        operation
            .responses
            .responses
            .entry((*status).to_owned())
            .or_insert_with(|| problem(description).into());
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && let Some(content) = response.content.get(HAL_JSON).cloned()
        {
            // The same body, to a client that wants plain JSON.
            response.content.entry(JSON.to_owned()).or_insert(content);
        }
    }
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
}

/// What `GET` of an item shows.
fn shown(item: &PathItem) -> Option<RefOr<Schema>> {
    match item.get.as_ref()?.responses.responses.get("200")? {
        RefOr::T(response) => match response.content.get(HAL_JSON)? {
            RefOr::T(content) => content.schema.clone(),
            RefOr::Ref(_) => None,
        },
        RefOr::Ref(_) => None,
    }
}

fn show(path: &mut PathItem, page: &Schema) {
    if let Some(RefOr::T(response)) =
        path.get.as_mut().and_then(|list| list.responses.responses.get_mut("200"))
    {
        let content = ContentBuilder::new().schema(Some(page.clone())).build();
        response.content.insert(HAL_JSON.to_owned(), content.into());
    }
}

/// A page of a collection, as [`hal`](crate::hal) renders it.
fn page(collection: &str, item: Option<RefOr<Schema>>) -> Schema {
    let items = item.unwrap_or_else(|| object().into());
    let embedded = object().property(collection, ArrayBuilder::new().items(items)).required(collection);
    let numbers =
        ["size", "totalElements", "totalPages", "number"].into_iter().fold(object(), |numbers, name| {
            numbers
                .property(name, ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)))
                .required(name)
        });
    object()
        .property("_embedded", embedded)
        .required("_embedded")
        .property("_links", object())
        .required("_links")
        .property("page", numbers)
        .required("page")
        .into()
}

fn searches(collection: &str) -> Operation {
    let links = object().property("_links", object()).required("_links");
    let found = ResponseBuilder::new()
        .description("links to the searches")
        .content(HAL_JSON, ContentBuilder::new().schema(Some(links)).build());
    OperationBuilder::new().tag(collection).response("200", found).build()
}

fn object() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Object)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use utoipa::ToSchema;

    use super::*;
    use http_common::Problem;

    #[derive(ToSchema)]
    #[allow(dead_code, reason = "only described")]
    struct Book {
        id: i64,
    }

    #[utoipa::path(
        get, path = "/books/{id}", params(("id" = i64, Path)),
        responses(
            (status = 200, body = Book, content_type = "application/hal+json"),
            (status = 503, description = "its own words", body = Problem, content_type = "application/problem+json"),
        )
    )]
    #[allow(dead_code, reason = "only described")]
    fn find() {}

    #[utoipa::path(get, path = "/books", responses((status = 200)))]
    #[allow(dead_code, reason = "only described")]
    fn list() {}

    #[utoipa::path(post, path = "/books", request_body = Book, responses((status = 201)))]
    #[allow(dead_code, reason = "only described")]
    fn create() {}

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(find, list, create), components(schemas(Book, Problem)))]
    struct Document;

    fn document() -> serde_json::Value {
        serde_json::to_value(complete(<Document as utoipa::OpenApi>::openapi())).unwrap()
    }

    #[test]
    fn every_operation_has_the_answers_that_all_have() {
        let document = document();
        for (path, method) in
            [("/books/{id}", "get"), ("/books", "get"), ("/books", "post"), ("/books/search", "get")]
        {
            let answers = &document["paths"][path][method]["responses"];
            for status in ["400", "401", "405", "406", "500", "503"] {
                let schema = &answers[status]["content"][PROBLEM_JSON]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
            }
            assert_eq!(answers["415"].is_object(), method == "post", "{method} {path}");
        }
        let own = &document["paths"]["/books/{id}"]["get"]["responses"]["503"]["description"];
        assert_eq!(own, "its own words");
    }

    #[test]
    fn a_token_may_be_sent_in_two_ways() {
        let document = document();
        assert_eq!(document["security"], serde_json::json!([{}, {"cookie": []}, {"bearer": []}]));
        let schemes = &document["components"]["securitySchemes"];
        assert_eq!(
            (&schemes["cookie"]["in"], &schemes["cookie"]["name"]),
            (&"cookie".into(), &"session".into())
        );
        assert_eq!(schemes["bearer"]["scheme"], "bearer");
    }

    #[test]
    fn ids_are_numbers_and_search_is_a_path_of_its_own() {
        let document = document();
        let id = &document["paths"]["/books/{id}"]["get"]["parameters"][0]["schema"];
        assert_eq!((&id["type"], &id["minimum"]), (&"integer".into(), &1.into()));
        assert!(document["paths"]["/books/search"]["get"].is_object());
    }

    #[test]
    fn a_page_and_an_item_are_described_as_they_are_rendered() {
        let document = document();
        let content = &document["paths"]["/books"]["get"]["responses"]["200"]["content"];
        let page = &content[HAL_JSON]["schema"];
        let items = &page["properties"]["_embedded"]["properties"]["books"]["items"];
        assert_eq!(items["$ref"], "#/components/schemas/Book");
        assert_eq!(page["required"], serde_json::json!(["_embedded", "_links", "page"]));
        assert_eq!(content[HAL_JSON], content[JSON]);
        let item = &document["paths"]["/books/{id}"]["get"]["responses"]["200"]["content"];
        assert_eq!(item[HAL_JSON], item[JSON]);
    }
}

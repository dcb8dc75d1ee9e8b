//! Whatever is in an item or a search, the document is valid HAL and says what it was made of.

#![allow(clippy::unwrap_used)]

use actix_web::{HttpResponse, body::MessageBody as _};
use proptest::prelude::*;
use rest::hal::Rendered;
use rest::{Base, PageRequest, Resource, hal};
use serde::Serialize;
use serde_json::Value;

#[derive(Clone, Debug, Serialize)]
struct Note {
    id: i64,
    text: String,
    maybe: Option<String>,
}

impl Resource for Note {
    const ITEM: &'static str = "note";
    const COLLECTION: &'static str = "notes";
    type Field = &'static str;
    const SORTABLE: &'static [(&'static str, &'static str)] = &[("id", "id"), ("text", "text")];

    fn id(&self) -> i64 {
        self.id
    }
}

fn json(response: HttpResponse) -> Value {
    let body = response.into_body().try_into_bytes().unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn document(rendered: Result<Rendered, rest::Failure>) -> Value {
    json(rendered.unwrap().respond(&Base::new("http://a")))
}

fn any_note() -> impl Strategy<Value = Note> {
    (any::<i64>(), any::<String>(), any::<Option<String>>()).prop_map(|(id, text, maybe)| Note {
        id,
        text,
        maybe,
    })
}

/// The page that a link leads to.
fn page_of(link: &Value) -> PageRequest<&'static str> {
    let href = link["href"].as_str().unwrap();
    PageRequest::parse(href.split_once('?').unwrap().1, Note::SORTABLE)
}

proptest! {
    #[test]
    fn an_item_is_what_it_was(note in any_note()) {
        let shown = json(hal::item(&Base::new("http://a:1"), &note));
        prop_assert_eq!(&shown["id"], note.id);
        prop_assert_eq!(&shown["text"], &note.text);
        prop_assert_eq!(shown.get("maybe").unwrap(), &serde_json::json!(note.maybe));
        let own = format!("http://a:1/notes/{}", note.id);
        prop_assert_eq!(&shown["_links"]["self"]["href"], &own);
        prop_assert_eq!(&shown["_links"]["note"]["href"], &own);
    }

    #[test]
    fn the_links_of_a_page_lead_to_its_neighbours(
        notes in prop::collection::vec(any_note(), 0..4),
        page in 0u64..12,
        size in 1u64..5,
        total in 0u64..20,
        sorted in any::<bool>(),
    ) {
        let query = format!("page={page}&size={size}{}", if sorted { "&sort=text,desc&sort=id" } else { "" });
        let request = PageRequest::parse(&query, Note::SORTABLE);
        let shown = document(hal::collection(&Base::new("http://a"), &request, &notes, total));
        prop_assert_eq!(shown["_embedded"]["notes"].as_array().unwrap().len(), notes.len());
        let links = &shown["_links"];
        prop_assert_eq!(page_of(&links["self"]), request.clone());
        let pages = total.div_ceil(size);
        let at = |page| PageRequest { page, ..request.clone() };
        for (relation, expected) in [
            ("first", (pages > 1).then(|| at(0))),
            ("prev", (page > 0 && pages > 0).then(|| at((page - 1).min(pages - 1)))),
            ("next", (page + 1 < pages).then(|| at(page + 1))),
            ("last", (pages > 1).then(|| at(pages - 1))),
        ] {
            prop_assert_eq!(links.get(relation).map(page_of), expected, "{}", relation);
        }
        prop_assert_eq!(&shown["page"]["totalElements"], total);
        prop_assert_eq!(&shown["page"]["totalPages"], pages);
    }

    #[test]
    fn a_search_repeats_its_parameters(text in any::<String>(), total in 0u64..50) {
        let request = PageRequest::default();
        let parameters: [(&str, &dyn std::fmt::Display); 1] = [("text", &text)];
        let shown = document(hal::search_result::<Note>(&Base::new("http://a"), "findByText", &parameters, &request, &[], total));
        let href = shown["_links"]["self"]["href"].as_str().unwrap();
        let (path, query) = href.split_once('?').unwrap();
        prop_assert_eq!(path, "http://a/notes/search/findByText");
        prop_assert!(query.is_ascii());
        let mut fields = rest::Fields::from_query(query);
        prop_assert_eq!(fields.get("text"), Some(&rest::input::Scalar::Text(text.clone().into())));
        prop_assert_eq!(fields.integer("page", 0..=9), 0);
    }
}

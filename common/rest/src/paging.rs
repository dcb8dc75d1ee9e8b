//! `?page=&size=&sort=field,desc`, read as Spring Data reads it: what makes no sense falls back to the default.

use std::future::Ready;

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use storage::ListQuery;

use crate::{failure::Failure, resource::Resource};

pub const DEFAULT_SIZE: u64 = 20;
pub const MAX_SIZE: u64 = 1000;

/// A field to sort by, already one of those that the resource offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sort<F> {
    /// The name in the JSON, and so in the links.
    pub name: &'static str,
    pub field: F,
    pub descending: bool,
}

/// Which page of a collection was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest<F> {
    /// Counted from 0.
    pub page: u64,
    /// 1 to [`MAX_SIZE`].
    pub size: u64,
    pub sort: Vec<Sort<F>>,
}

impl<F> Default for PageRequest<F> {
    fn default() -> Self {
        Self { page: 0, size: DEFAULT_SIZE, sort: Vec::new() }
    }
}

impl<F: Copy> PageRequest<F> {
    /// Reads a raw query string. `allowed` pairs each JSON name that may be sorted by with its field.
    #[must_use]
    pub fn parse(query: &str, allowed: &[(&'static str, F)]) -> Self {
        let mut request = Self::default();
        if query.is_empty() {
            return request;
        }
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "page" => request.page = number(&value).unwrap_or(0),
                "size" => {
                    request.size = number(&value)
                        .filter(|size| *size > 0)
                        .map_or(DEFAULT_SIZE, |size| size.min(MAX_SIZE));
                }
                "sort" => request.add_sorts(&value, allowed),
                _ => {}
            }
        }
        request
    }

    /// What the store is asked for. A page that no store can hold is past the end, as any other.
    #[must_use]
    pub fn query(&self, filter: Option<(F, i64)>) -> ListQuery<F> {
        ListQuery {
            filter,
            offset: i64::try_from(self.page.saturating_mul(self.size)).unwrap_or(i64::MAX),
            limit: self.size.min(MAX_SIZE) as i64,
            order: self.sort.iter().map(|sort| (sort.field, sort.descending)).collect(),
        }
    }

    /// `a,b,desc,ignorecase`: both fields, descending. A field that is named twice counts once, as in SQL.
    fn add_sorts(&mut self, value: &str, allowed: &[(&'static str, F)]) {
        // As Spring Data: the last element may be `ignorecase`, the last but that one the direction. Text is compared as the
        // database compares it, so all that matters is that the word does not hide the direction.
        let fields = without_last(value, "ignorecase").unwrap_or(value);
        let (fields, descending) = match (without_last(fields, "desc"), without_last(fields, "asc")) {
            (Some(fields), _) => (fields, true),
            (None, Some(fields)) => (fields, false),
            (None, None) => (fields, false),
        };
        for name in fields.split(',') {
            let Some(&(name, field)) = allowed.iter().find(|(known, _)| *known == name.trim()) else {
                continue;
            };
            if self.sort.iter().all(|sort| sort.name != name) {
                self.sort.push(Sort { name, field, descending });
            }
        }
    }
}

/// What comes before the last element, if that is this word.
fn without_last<'v>(list: &'v str, word: &str) -> Option<&'v str> {
    let (before, last) = list.rsplit_once(',')?;
    last.trim().eq_ignore_ascii_case(word).then_some(before)
}

/// Digits only; a number too big for u64 is nonsense like any other text.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Extractor: the page that was asked for of the resource `R`.
#[derive(Debug)]
pub struct Paged<R: Resource>(PageRequest<R::Field>);

impl<R: Resource> Paged<R> {
    #[must_use]
    pub fn into_inner(self) -> PageRequest<R::Field> {
        self.0
    }
}

impl<R: Resource> FromRequest for Paged<R> {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut page = PageRequest::parse(request.query_string(), R::SORTABLE);
        page.sort.truncate(R::MOST_SORTS);
        std::future::ready(Ok(Self(page)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Field {
        Id,
        UserId,
        Price,
    }

    const ALLOWED: &[(&str, Field)] =
        &[("id", Field::Id), ("userId", Field::UserId), ("price", Field::Price)];

    fn parse(query: &str) -> PageRequest<Field> {
        PageRequest::parse(query, ALLOWED)
    }

    #[test]
    fn defaults() {
        assert_eq!(parse(""), PageRequest::default());
    }

    #[test]
    fn nonsense_falls_back() {
        for query in [
            "page=-1&size=0",
            "page=x&size=-5",
            "page=&size=",
            "page=1e3&size=99999999999999999999999",
            "page=%ff&size=%00",
        ] {
            assert_eq!(parse(query), PageRequest::default(), "{query}");
        }
    }

    #[test]
    fn size_is_capped_and_far_pages_do_not_overflow() {
        assert_eq!(parse("size=5000").size, MAX_SIZE);
        let far = parse("page=18446744073709551615&size=1000");
        let far = far.query(None);
        assert_eq!((far.offset, far.limit), (i64::MAX, 1000));
    }

    #[test]
    fn sorts() {
        let sorts = parse("sort=userId,desc&sort=nope,asc&sort=id").sort;
        assert_eq!(
            sorts,
            [
                Sort { name: "userId", field: Field::UserId, descending: true },
                Sort { name: "id", field: Field::Id, descending: false },
            ]
        );
        assert_eq!(parse("sort=price,id,DESC").sort.len(), 2);
        assert_eq!(parse("sort=id&sort=id,desc").sort.len(), 1);
        assert_eq!(parse("sort=,,&sort=").sort.len(), 0);
        assert!(parse("sort=id%2Cdesc").sort[0].descending);
    }

    /// spring-data-commons#2513: an `ignorecase` at the end hid the direction before it.
    #[test]
    fn ignorecase_never_changes_the_direction() {
        for (value, descending) in [
            ("price", false),
            ("price,ignorecase", false),
            ("price,asc,ignorecase", false),
            ("price,desc,ignorecase", true),
            ("price,DESC,IgnoreCase", true),
            ("price, desc , ignorecase ", true),
            ("price,ignorecase,desc", true),
            ("id,price,desc,ignorecase", true),
        ] {
            let sorts = parse(&format!("sort={value}")).sort;
            assert!(!sorts.is_empty() && sorts.iter().all(|sort| sort.descending == descending), "{value}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_always_in_range(query in ".{0,80}") {
            let request = parse(&query);
            prop_assert!((1..=MAX_SIZE).contains(&request.size));
            prop_assert!(request.query(None).offset >= 0);
        }
    }
}

//! Conditional requests (RFC 9110 section 13) on an item: its entity tag is its version, `"3"`.
//!
//! A write takes [`Preconditions`] as an extractor and asks them about the version that it is about to replace, so that nothing
//! comes in between. Reads need nothing: [`answer`] looks at the answer.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    body::BoxBody,
    dev::{Payload, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};

use http_common::Problem;

use crate::failure::Failure;

/// Extractor: what `If-Match` and `If-None-Match` demand of the item. 400 where they are no lists of entity tags: to go on would
/// be to ignore them.
#[derive(Clone, Debug, Default)]
pub struct Preconditions {
    matching: Option<Tags>,
    other: Option<Tags>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    These(Vec<Tag>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    weak: bool,
    opaque: Vec<u8>,
}

impl Preconditions {
    fn of(headers: &HeaderMap) -> Option<Self> {
        Some(Self {
            matching: tags(headers, &header::IF_MATCH)?,
            other: tags(headers, &header::IF_NONE_MATCH)?,
        })
    }

    /// Whether an item that exists, in this version, may be changed.
    #[must_use]
    pub fn allow(&self, version: i64) -> bool {
        let opaque = version.to_string();
        self.matching.as_ref().is_none_or(|tags| tags.name(opaque.as_bytes(), false))
            && self.other.as_ref().is_none_or(|tags| !tags.name(opaque.as_bytes(), true))
    }

    /// 412: the item is not in the version that was demanded.
    #[must_use]
    pub fn failed(version: i64) -> Problem {
        Problem::new(412).detail(format!("Nothing was changed: the version is \"{version}\" by now."))
    }
}

impl FromRequest for Preconditions {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request.headers()).ok_or_else(|| {
            Problem::bad_request("If-Match and If-None-Match have to be * or entity tags such as \"3\".")
                .into()
        }))
    }
}

impl Tags {
    /// Weak tags are equal only where equality of meaning is enough, which it is not for a write.
    fn name(&self, opaque: &[u8], weakly: bool) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|tag| (weakly || !tag.weak) && tag.opaque == opaque),
        }
    }
}

/// The entity tag of a version.
pub(crate) fn entity_tag(version: i64) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{version}\"")).ok()
}

/// To a read of an item that the client has already: 304. To one that demands another version: 412.
pub(crate) fn answer(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    // All that other answers cost.
    let Some(tag) = response.headers().get(header::ETAG) else {
        return response;
    };
    let request = response.request();
    if response.status() != StatusCode::OK || !request.method().is_safe() {
        return response;
    }
    let Some(conditions) = Preconditions::of(request.headers()) else {
        return response;
    };
    let opaque = tag.as_bytes().trim_ascii_start();
    let opaque = opaque.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")).unwrap_or(opaque);
    let new = if conditions.matching.is_some_and(|tags| !tags.name(opaque, false)) {
        Failure::from(Problem::new(412).instance(request.path())).into_response()
    } else if conditions.other.is_some_and(|tags| tags.name(opaque, true)) {
        let mut new = HttpResponse::NotModified().finish();
        new.headers_mut().insert(header::ETAG, tag.clone());
        new
    } else {
        return response;
    };
    let (request, _) = response.into_parts();
    ServiceResponse::new(request, new)
}

/// The lists of all fields of the name. `Some(None)`: there is none. `None`: one of them is malformed.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Option<Tags>> {
    let mut found = None;
    for value in headers.get_all(name) {
        let tags = parse(value.as_bytes())?;
        found = Some(match (found, tags) {
            (None, tags) => tags,
            (Some(Tags::These(mut known)), Tags::These(more)) => {
                known.extend(more);
                Tags::These(known)
            }
            _ => return None,
        });
    }
    Some(found)
}

/// `*`, or `"1", W/"2"`. A comma may stand inside of a tag.
fn parse(text: &[u8]) -> Option<Tags> {
    let mut rest = text.trim_ascii();
    if rest == b"*" {
        return Some(Tags::Any);
    }
    let mut tags = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after;
            continue;
        }
        if rest.is_empty() {
            return (!tags.is_empty()).then_some(Tags::These(tags));
        }
        let (weak, quoted) = match rest.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let quoted = quoted.strip_prefix(b"\"")?;
        let end = quoted.iter().position(|byte| *byte == b'"')?;
        if quoted[..end].iter().any(|byte| matches!(byte, 0..=0x20 | 0x7f)) {
            return None;
        }
        tags.push(Tag { weak, opaque: quoted[..end].to_vec() });
        rest = quoted[end + 1..].trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    /// Whether version 3 may be changed; `None`: 400.
    fn allows(fields: &[(HeaderName, &str)]) -> Option<bool> {
        let request = fields.iter().fold(TestRequest::default(), |request, (name, value)| {
            request.append_header((name.clone(), *value))
        });
        Preconditions::of(request.to_http_request().headers()).map(|conditions| conditions.allow(3))
    }

    #[test]
    fn table() {
        for (fields, wanted) in [
            (&[][..], Some(true)),
            (&[(header::IF_MATCH, "*")], Some(true)),
            (&[(header::IF_MATCH, r#""3""#)], Some(true)),
            (&[(header::IF_MATCH, r#""1", "3" ,"7""#)], Some(true)),
            (&[(header::IF_MATCH, r#""1""#), (header::IF_MATCH, r#""3""#)], Some(true)),
            (&[(header::IF_MATCH, r#"W/"1",, "3""#)], Some(true)),
            (&[(header::IF_MATCH, r#""1","2""#)], Some(false)),
            (&[(header::IF_MATCH, r#""1,3""#)], Some(false)),
            (&[(header::IF_MATCH, r#"W/"3""#)], Some(false)),
            (&[(header::IF_MATCH, r#""03""#)], Some(false)),
            (&[(header::IF_MATCH, r#""""#)], Some(false)),
            (&[(header::IF_NONE_MATCH, "*")], Some(false)),
            (&[(header::IF_NONE_MATCH, r#"W/"3""#)], Some(false)),
            (&[(header::IF_NONE_MATCH, r#""2""#)], Some(true)),
            (&[(header::IF_MATCH, r#""3""#), (header::IF_NONE_MATCH, r#""3""#)], Some(false)),
            (&[(header::IF_MATCH, "3")], None),
            (&[(header::IF_MATCH, "")], None),
            (&[(header::IF_MATCH, ",")], None),
            (&[(header::IF_MATCH, r#""3"#)], None),
            (&[(header::IF_MATCH, r#""3" "4""#)], None),
            (&[(header::IF_MATCH, r#"w/"3""#)], None),
            (&[(header::IF_MATCH, r#"*, "3""#)], None),
            (&[(header::IF_MATCH, "*"), (header::IF_MATCH, r#""3""#)], None),
        ] {
            assert_eq!(allows(fields), wanted, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&text);
        }
    }
}

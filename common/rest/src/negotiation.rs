//! Which media type an answer is labelled with, and which a request body may have.

use actix_web::http::header::{self, HeaderMap, HeaderValue};

use http_common::{JSON, Problem};

pub const HAL_JSON: &str = "application/hal+json";

/// How a resource is labelled; the body is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MediaType {
    #[default]
    Hal,
    Json,
}

impl MediaType {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hal => HAL_JSON,
            Self::Json => JSON,
        }
    }

    #[must_use]
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }
}

/// Chooses by the `Accept` headers (RFC 9110 12.5.1). Not by actix-web's own type: it drops elements that it cannot read, such as
/// the `*; q=.2` of Java's URLConnection, and what is left of them would be refused.
///
/// # Errors
/// 406 when they allow neither of the two.
pub fn negotiate(headers: &HeaderMap) -> Result<MediaType, Problem> {
    let mut accept = headers.get_all(header::ACCEPT);
    let Some(first) = accept.next() else {
        return Ok(MediaType::Hal);
    };
    // What tools send when they were not told otherwise; the rest of this module is for the others.
    match first.as_bytes() {
        b"*/*" | b"application/hal+json" if accept.next().is_none() => return Ok(MediaType::Hal),
        b"application/json" if accept.next().is_none() => return Ok(MediaType::Json),
        _ => {}
    }
    let mut wishes = Wishes::default();
    for value in headers.get_all(header::ACCEPT) {
        // A header that is not text allows nothing that we know of.
        for range in value.to_str().unwrap_or("?/?").split(',') {
            wishes.add(range);
        }
    }
    wishes.best().ok_or_else(Problem::not_acceptable)
}

/// Quality of each media type, by the most specific range that names it.
#[derive(Default)]
struct Wishes {
    hal: Option<u16>,
    json: Option<u16>,
    application: Option<u16>,
    anything: Option<u16>,
    /// An empty `Accept` says nothing, which is not the same as refusing all.
    said_something: bool,
}

impl Wishes {
    fn add(&mut self, range: &str) {
        let mut parts = range.split(';');
        let media = parts.next().unwrap_or_default().trim();
        if media.is_empty() {
            return;
        }
        self.said_something = true;
        let quality = parts
            .filter_map(|parameter| parameter.trim().split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(1000, |(_, value)| thousandths(value.trim()));
        let slot = if media.eq_ignore_ascii_case(HAL_JSON) {
            &mut self.hal
        } else if media.eq_ignore_ascii_case(JSON) {
            &mut self.json
        } else if media.eq_ignore_ascii_case("application/*") {
            &mut self.application
        } else if media == "*/*" || media == "*" {
            // `*` alone is what Java's URLConnection sends.
            &mut self.anything
        } else {
            return;
        };
        *slot = Some(slot.unwrap_or(0).max(quality));
    }

    fn best(&self) -> Option<MediaType> {
        if !self.said_something {
            return Some(MediaType::Hal);
        }
        let wild = self.application.or(self.anything).unwrap_or(0);
        let hal = self.hal.unwrap_or(wild);
        let json = self.json.unwrap_or(wild);
        if hal == 0 && json == 0 {
            None
        } else if json > hal || (json == hal && self.json.is_some() && self.hal.is_none()) {
            Some(MediaType::Json)
        } else {
            Some(MediaType::Hal)
        }
    }
}

/// `0.5` is 500. What is no quality counts as none given.
fn thousandths(quality: &str) -> u16 {
    match quality.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => (value * 1000.0) as u16,
        _ => 1000,
    }
}

/// Checks what a request says of its body.
///
/// # Errors
/// 415 for anything but JSON, HAL, or nothing said at all; also for a compressed body.
pub fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Problem::unsupported_media_type().detail("A compressed body is not accepted."));
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let Ok(text) = value.to_str() else {
        return Err(Problem::unsupported_media_type());
    };
    let media = text.split(';').next().unwrap_or_default().trim();
    if media.is_empty() || media.eq_ignore_ascii_case(JSON) || media.eq_ignore_ascii_case(HAL_JSON) {
        Ok(())
    } else {
        Err(Problem::unsupported_media_type())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn accept(values: &[&str]) -> Option<MediaType> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        negotiate(&headers).ok()
    }

    fn content_type(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
        check_content_type(&headers).is_ok()
    }

    #[test]
    fn accept_table() {
        use MediaType::{Hal, Json};
        let table: &[(&[&str], Option<MediaType>)] = &[
            (&[], Some(Hal)),
            (&[""], Some(Hal)),
            (&["*/*"], Some(Hal)),
            (&["application/json"], Some(Json)),
            (&["application/json, */*;q=0.5"], Some(Json)),
            (&["application/hal+json, application/json"], Some(Hal)),
            (&["application/hal+json;q=0.1, application/json;q=0.2"], Some(Json)),
            (&["text/html,application/xhtml+xml,*/*;q=0.8"], Some(Hal)),
            (&["text/html"], None),
            (&["text/html", "application/*"], Some(Hal)),
            (&["application/json;q=0, application/hal+json;q=0"], None),
            (&["*/*, application/hal+json;q=0"], Some(Json)),
            (&["APPLICATION/JSON ; charset=utf-8"], Some(Json)),
            (&["application/json, */*"], Some(Json)),
            (&["text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"], Some(Hal)),
        ];
        for (values, expected) in table {
            assert_eq!(accept(values), *expected, "{values:?}");
        }
    }

    #[test]
    fn content_type_table() {
        for good in ["application/json", "application/hal+json", "", "Application/JSON; charset=utf-8"] {
            assert!(content_type(good), "{good}");
        }
        for bad in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json"] {
            assert!(!content_type(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(value in "[ -~]{0,60}") {
            accept(&[&value]);
            content_type(&value);
        }
    }
}

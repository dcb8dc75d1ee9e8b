//! What clients send: bodies, query parameters and ids, read leniently where the original was lenient, refused with a problem document otherwise.

mod body;
mod fields;
mod scalar;

pub use body::{Body, BodyLimits};
pub use fields::Fields;
pub use scalar::Scalar;

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use http_common::Problem;

use crate::failure::Failure;

/// Extractor: the id in the path, `{id}` of an actix-web pattern or else what follows the collection (`/receipts/7`). 400 for what is no number; 404 for a number that no id can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub i64);

impl Id {
    fn parse(text: &str) -> Result<Self, Problem> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Problem::bad_request("The id in the path has to be a number."));
        }
        match text.parse() {
            Ok(id) if id > 0 => Ok(Self(id)),
            _ => Err(Problem::not_found()),
        }
    }
}

impl FromRequest for Id {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = request.match_info();
        // The path of `match_info` is the one with the escapes undone that nobody needs.
        let text = found.get("id").or_else(|| found.as_str().split('/').nth(2));
        ready(Self::parse(text.unwrap_or_default()).map_err(Failure::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert_eq!(Id::parse("7").ok(), Some(Id(7)));
        for (text, status) in [
            ("abc", 400),
            ("", 400),
            ("1.5", 400),
            ("+1", 400),
            ("-", 400),
            ("٣", 400),
            ("0", 404),
            ("-1", 404),
            ("99999999999999999999", 404),
        ] {
            assert_eq!(Id::parse(text).err().map(|p| p.status), Some(status), "{text}");
        }
    }
}

//! What a link starts with, and how the answer is labelled: both come from the request.

use std::{
    future::{Ready, ready},
    net::SocketAddr,
    sync::Arc,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{FORWARDED, HOST, HeaderName, X_FORWARDED_HOST, X_FORWARDED_PROTO},
};

use http_common::forwarded::{Forwarded, is_authority};

use crate::{
    failure::Failure,
    negotiation::{MediaType, negotiate},
};

static PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Extractor of every handler that renders a resource. Refuses with 406 what cannot be rendered, before any work is done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Base {
    /// Scheme and authority, without a slash at the end: `http://localhost:8088`.
    origin: String,
    pub media: MediaType,
}

impl Base {
    /// For tests and for what renders without a request.
    #[must_use]
    pub fn new(origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), media: MediaType::Hal }
    }

    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl FromRequest for Base {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match negotiate(request.headers()) {
            Ok(media) => Ok(Self { origin: origin_of(request), media }),
            Err(problem) => Err(problem.into()),
        })
    }
}

/// Where the server listens: what a link says when a request names no host.
#[derive(Clone, Debug)]
pub(crate) struct LocalAuthority(Arc<str>);

impl LocalAuthority {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self(address.to_string().into())
    }
}

/// Where the client thinks that this server is: `X-Forwarded-*` or `Forwarded` (the gateway overwrites what others
/// claim), else `Host`.
#[must_use]
pub fn origin_of(request: &HttpRequest) -> String {
    let headers = request.headers();
    let field = |name: &HeaderName| headers.get(name)?.to_str().ok();
    let host = field(&HOST).filter(|host| is_authority(host));
    let host =
        host.unwrap_or_else(|| request.app_data::<LocalAuthority>().map_or("localhost", |local| &local.0));
    let forwarded =
        Forwarded { proto: field(&X_FORWARDED_PROTO), host: field(&X_FORWARDED_HOST), port: field(&PORT) };
    forwarded.or_standard(field(&FORWARDED)).origin(host).render()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn origin(headers: &[(&'static str, &'static str)]) -> String {
        let mut request = TestRequest::default();
        for header in headers {
            request = request.append_header(*header);
        }
        origin_of(&request.to_http_request())
    }

    #[test]
    fn origin_table() {
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[("host", "localhost:8082")], "http://localhost:8082"),
            (&[("host", "shop")], "http://shop"),
            (&[("host", "shop:80")], "http://shop"),
            (&[("host", "[::1]:8082")], "http://[::1]:8082"),
            (&[], "http://localhost"),
            (&[("host", "payment:8080"), ("x-forwarded-host", "localhost:8088")], "http://localhost:8088"),
            (
                &[
                    ("host", "payment:8080"),
                    ("x-forwarded-host", "shop.example"),
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-port", "443"),
                ],
                "https://shop.example",
            ),
            (
                &[
                    ("x-forwarded-host", "shop.example"),
                    ("x-forwarded-port", "8443"),
                    ("x-forwarded-proto", "https, http"),
                ],
                "https://shop.example:8443",
            ),
            (&[("host", "a"), ("x-forwarded-host", "one, two")], "http://one"),
            (&[("host", "a\"b")], "http://localhost"),
            (&[("host", "a"), ("x-forwarded-host", "x/y")], "http://a"),
            (&[("host", "a"), ("x-forwarded-port", "99999")], "http://a"),
            (&[("host", "a"), ("forwarded", "host=shop;proto=https")], "https://shop"),
        ];
        for (headers, expected) in table {
            assert_eq!(origin(headers), *expected, "{headers:?}");
        }
    }
}

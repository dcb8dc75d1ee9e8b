//! Cross-site request forgery. A browser sends the cookies of a signed-in customer along with what a page of another site sends. The
//! gateway refuses such a request where it could change something.
//!
//! A browser says by itself where a request comes from, in `Sec-Fetch-Site` and `Origin`, and no script can write these fields. A
//! program that sends neither does not send the cookies of somebody else.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use http_common::{Problem, forwarded::ClientOrigin, session};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origins that may act for a customer who is signed in, beside the gateway's own.
#[derive(Debug)]
pub(crate) struct CrossSite {
    listed: Vec<String>,
}

impl CrossSite {
    /// `cors_origins` are those that CORS allows. `*` and `null` name no origin: any site could be meant.
    pub(crate) fn compile(cors_origins: &[String]) -> Self {
        let named = cors_origins.iter().filter(|origin| !matches!(origin.as_str(), "*" | "null"));
        Self { listed: named.cloned().collect() }
    }

    /// `own` is the origin under which the client sees the gateway. It is asked for only where it matters.
    ///
    /// # Errors
    /// Another site sends the request, with a customer's cookies.
    pub(super) fn check<'h>(
        &self,
        parts: &'h Parts,
        own: impl FnOnce() -> ClientOrigin<'h>,
    ) -> Result<(), Problem> {
        let is_safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if is_safe || !has_session(&parts.headers) || !self.is_foreign(&parts.headers, &own()) {
            return Ok(());
        }
        Err(Problem::new(403).detail("Another site may not act for a user who is signed in."))
    }

    fn is_foreign(&self, headers: &HeaderMap, own: &ClientOrigin<'_>) -> bool {
        // A field that is there twice is a browser's no longer.
        let sites: Vec<&HeaderValue> = headers.get_all(SEC_FETCH_SITE).iter().collect();
        let origins: Vec<&HeaderValue> = headers.get_all(header::ORIGIN).iter().collect();
        let known = |origin: &HeaderValue| {
            let origin = origin.to_str().unwrap_or_default();
            own.is(origin) || self.listed.iter().any(|listed| ClientOrigin::same(listed, origin))
        };
        match (sites.as_slice(), origins.as_slice()) {
            ([], []) => false,
            (_, [origin]) if known(origin) => false,
            // Behind a proxy that ends TLS and is not trusted, only the browser knows that the origin is the gateway's own.
            ([site], [] | [_]) => !matches!(site.as_bytes(), b"same-origin" | b"none"),
            _ => true,
        }
    }
}

fn has_session(headers: &HeaderMap) -> bool {
    headers.get_all(header::COOKIE).iter().any(|cookies| session::is_in(cookies.as_bytes()))
}

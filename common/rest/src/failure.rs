//! What a handler or an extractor fails with: a problem document, as actix-web sends it.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use http_common::{PROBLEM_JSON, Problem};
use rights::{Denied, ReadError};
use storage::StoreError;

/// What a handler returns.
pub type Answer = Result<HttpResponse, Failure>;

/// A problem that ends a request; `?` makes it of a [`Problem`].
#[derive(Clone, Debug)]
pub struct Failure(Problem);

impl Failure {
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0
    }

    /// The store did not do what it was asked. `detail` says what that means to the client, where trying again helps.
    #[must_use]
    pub fn of_store(error: &StoreError, detail: &'static str) -> Self {
        tracing::error!(error = error as &dyn std::error::Error, "the store failed");
        Self(match error.is_unavailable() {
            true => Problem::unavailable(detail, 1),
            false => Problem::internal(),
        })
    }

    /// The problem as an answer, for who adds header fields to it. The server completes it with the path.
    #[must_use]
    pub fn into_response(self) -> HttpResponse {
        HttpResponse::from_error(self)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

/// For reading. The database's words are for the log alone.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of_store(&error, "The database is not available.")
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Problem::forbidden(denied.to_string()).into()
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Denied(denied) => denied.into(),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let problem = &self.0;
        let mut response = HttpResponse::new(self.status_code());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = problem.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = problem.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        if let Some(challenge) = problem.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.set_body(BoxBody::new(problem.to_json()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn headers_follow_the_status() {
        let answer = |problem| Failure::from(problem).error_response();
        let unavailable = answer(Problem::new(503));
        assert_eq!(unavailable.headers().get("retry-after").unwrap(), "1");
        let method = answer(Problem::method_not_allowed("GET, HEAD"));
        assert_eq!(method.headers().get("allow").unwrap(), "GET, HEAD");
        assert_eq!(method.headers().get("content-type").unwrap(), PROBLEM_JSON);
        let challenge = |problem| {
            answer(problem).headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(challenge(Problem::unauthorized()).as_deref(), Some(r#"Bearer realm="api""#));
        assert!(challenge(Problem::invalid_token()).unwrap().ends_with(r#", error="invalid_token""#));
        assert_eq!(challenge(Problem::forbidden("no")), None);
    }

    #[test]
    fn a_store_that_is_away_is_503_and_one_that_refuses_is_500() {
        for (error, status) in [
            (StoreError::Unavailable("away".into()), 503),
            (StoreError::Refused("no such column".into()), 500),
        ] {
            let failure = Failure::from(error);
            assert_eq!(failure.problem().status, status);
            assert!(!failure.to_string().contains("column"));
        }
    }

    #[test]
    fn a_status_that_is_none_is_an_internal_error() {
        assert_eq!(Failure::from(Problem::new(7)).status_code(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}

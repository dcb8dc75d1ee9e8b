//! Problem documents (RFC 9457): what every error looks like, whichever server rendered it.

mod texts;

use std::{
    borrow::Cow,
    fmt,
    io::Write as _,
    ops::{Deref, DerefMut},
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

pub const PROBLEM_JSON: &str = "application/problem+json";

/// RFC 6750 section 3. It has to have a parameter.
const CHALLENGE: &str = r#"Bearer realm="api""#;
const INVALID_TOKEN: &str = r#"Bearer realm="api", error="invalid_token""#;

/// A field that was refused, and why. The message never repeats the value: it may be a card number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    pub field: Cow<'static, str>,
    pub message: Cow<'static, str>,
}

impl FieldError {
    pub fn new(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// An error as a client sees it. Boxed, so that the `Result` of what goes well stays small.
#[derive(Clone, Debug)]
pub struct Problem(Box<Members>);

/// The members of a problem document, to be read and changed through [`Problem`].
#[derive(Clone, Debug, ToSchema)]
pub struct Members {
    /// A URI that names the kind of problem; `about:blank` when the status says it all.
    #[schema(rename = "type", value_type = String)]
    pub kind: Cow<'static, str>,
    /// The status in words.
    #[schema(value_type = String)]
    pub title: Cow<'static, str>,
    /// The HTTP status, repeated in the body.
    pub status: u16,
    /// What went wrong this time, for a human.
    #[schema(value_type = String)]
    pub detail: Cow<'static, str>,
    /// The path that was asked for; the server fills it in.
    #[schema(required = false)]
    pub instance: String,
    /// The fields that were refused, after a validation.
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    /// Seconds, sent as the `Retry-After` header.
    #[schema(ignore)]
    pub retry_after: Option<u64>,
    /// The methods that would have been right, sent as the `Allow` header of a 405.
    #[schema(ignore)]
    pub allow: Option<Cow<'static, str>>,
    /// What a request has to prove, sent as the `WWW-Authenticate` header of a 401.
    #[schema(ignore)]
    pub challenge: Option<&'static str>,
    /// Members of our own (RFC 9457 section 3.2), rendered after the standard ones.
    #[schema(ignore)]
    pub extensions: Vec<(&'static str, serde_json::Value)>,
}

impl Deref for Problem {
    type Target = Members;

    fn deref(&self) -> &Members {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Members {
        &mut self.0
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Members::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Members::schemas(schemas);
    }
}

impl Problem {
    #[must_use]
    pub fn new(status: u16) -> Self {
        let title = texts::title(status);
        Self(Box::new(Members {
            status,
            kind: Cow::Borrowed("about:blank"),
            title: Cow::Borrowed(title),
            detail: Cow::Borrowed(texts::detail(status)),
            instance: String::new(),
            errors: Vec::new(),
            // A client that is told nothing retries at once, in step with all the others.
            retry_after: (status == 503).then_some(1),
            allow: None,
            challenge: (status == 401).then_some(CHALLENGE),
            extensions: Vec::new(),
        }))
    }

    #[must_use]
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400).detail(detail)
    }

    /// 400 with the fields that were refused.
    #[must_use]
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::bad_request("Some fields are missing or not valid.");
        problem.errors = errors;
        problem
    }

    /// 401: a token is needed, and there is none.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(401)
    }

    /// 401: the token that was sent does not hold. Why is nothing for who sent it.
    #[must_use]
    pub fn invalid_token() -> Self {
        let mut problem = Self::new(401).detail("The token is not valid, or not valid any more.");
        problem.challenge = Some(INVALID_TOKEN);
        problem
    }

    /// 403: the caller is known and may not do this.
    #[must_use]
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(403).detail(detail)
    }

    #[must_use]
    pub fn not_found() -> Self {
        Self::new(404)
    }

    #[must_use]
    pub fn method_not_allowed(allow: impl Into<Cow<'static, str>>) -> Self {
        let mut problem = Self::new(405);
        problem.allow = Some(allow.into());
        problem
    }

    #[must_use]
    pub fn not_acceptable() -> Self {
        Self::new(406)
    }

    #[must_use]
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(409).detail(detail)
    }

    #[must_use]
    pub fn payload_too_large() -> Self {
        Self::new(413)
    }

    #[must_use]
    pub fn unsupported_media_type() -> Self {
        Self::new(415)
    }

    #[must_use]
    pub fn unprocessable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(422).detail(detail)
    }

    /// 500. It says nothing of the cause: log that where it is handled.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(500)
    }

    #[must_use]
    pub fn unavailable(detail: impl Into<Cow<'static, str>>, retry_after_s: u64) -> Self {
        let mut problem = Self::new(503).detail(detail);
        problem.retry_after = Some(retry_after_s);
        problem
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    #[must_use]
    pub fn instance(mut self, path: impl Into<String>) -> Self {
        self.instance = path.into();
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Adds a member of our own.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.extensions.push((name, value.into()));
        self
    }

    /// The document.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(256);
        if serde_json::to_writer(&mut body, self).is_err() {
            // Strings and numbers into memory cannot fail; if they did, the status is still true.
            body.clear();
            let _ = write!(body, r#"{{"status":{}}}"#, self.status);
        }
        body
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.kind)?;
        map.serialize_entry("title", &self.title)?;
        map.serialize_entry("status", &self.status)?;
        map.serialize_entry("detail", &self.detail)?;
        if !self.instance.is_empty() {
            map.serialize_entry("instance", &self.instance)?;
        }
        if !self.errors.is_empty() {
            map.serialize_entry("errors", &self.errors)?;
        }
        for (name, value) in &self.extensions {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.title, self.detail)?;
        for error in &self.errors {
            write!(f, "; {} {}", error.field, error.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn renders_the_standard_members_in_order() {
        let problem = Problem::validation(vec![FieldError::new("price", "must be at least 1")])
            .instance("/preReservations");
        assert_eq!(
            String::from_utf8(problem.to_json()).unwrap(),
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"Some fields are missing or not valid.","instance":"/preReservations","errors":[{"field":"price","message":"must be at least 1"}]}"#
        );
    }

    #[test]
    fn extensions_follow() {
        let problem = Problem::new(402).with("reason", "insufficient_funds");
        let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(json["reason"], "insufficient_funds");
        assert_eq!(json["title"], "Payment Required");
    }

    #[test]
    fn describes_itself_for_openapi() {
        assert_eq!(Problem::name(), "Problem");
        let schema = serde_json::to_value(Problem::schema()).unwrap();
        let mut members: Vec<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["detail", "errors", "instance", "status", "title", "type"]);
        assert_eq!(schema["required"], serde_json::json!(["type", "title", "status", "detail"]));
        let mut others = Vec::new();
        Problem::schemas(&mut others);
        assert!(others.iter().any(|(name, _)| name == "FieldError"));
    }
}

//! Cross-origin requests (the Fetch standard's CORS protocol), as Spring Cloud Gateway's `globalcors` handles them.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, VARY,
    },
    request::Parts,
};
use http_common::forwarded::ClientOrigin;
use settings::Invalid;

use crate::settings::CorsSettings;

/// The rules in force.
#[derive(Debug)]
pub(crate) struct Cors {
    origins: Allowed,
    methods: Allowed,
    headers: Allowed,
    exposed: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

/// `Vary` of every answer, because an answer depends on these fields of its request.
const DEPENDS_ON: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");

#[derive(Debug)]
enum Allowed {
    All,
    These(Vec<String>),
}

/// What is to become of a request from an origin.
pub(super) enum Verdict {
    /// It goes its way; its answer is decorated.
    Passes,
    /// It was only a question.
    Preflight(Response<Bytes>),
    /// 403.
    Refused(&'static str),
}

impl Cors {
    /// `None`: the gateway leaves CORS to the services.
    pub(crate) fn compile(settings: &CorsSettings) -> Result<Option<Self>, Invalid> {
        if settings.allowed_origins.is_empty() {
            return Ok(None);
        }
        for origin in &settings.allowed_origins {
            // Any site can have the origin null: a page in a sandboxed frame does.
            if settings.allow_credentials && matches!(origin.as_str(), "*" | "null") {
                return Err(Invalid::new(
                    "cors.allow_credentials",
                    format!(
                        "must be false while cors.allowed_origins has {origin:?}: every site could act for whoever is signed in; \
                         name the origins that may"
                    ),
                ));
            }
            let valid = origin == "*"
                || origin == "null"
                || origin.split_once("://").is_some_and(|(scheme, host)| {
                    !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '*'])
                });
            if !valid {
                return Err(Invalid::new(
                    "cors.allowed_origins",
                    format!("{origin:?} is no origin such as https://shop.example, nor \"*\""),
                ));
            }
        }
        let exposed = match settings.exposed_headers.as_slice() {
            [] => None,
            names => Some(
                HeaderValue::from_str(&names.join(", "))
                    .map_err(|_| Invalid::new("cors.exposed_headers", "holds a name that is not valid"))?,
            ),
        };
        Ok(Some(Self {
            origins: Allowed::of(&settings.allowed_origins),
            methods: Allowed::of(&settings.allowed_methods),
            headers: Allowed::of(&settings.allowed_headers),
            exposed,
            credentials: settings.allow_credentials,
            max_age: HeaderValue::from(settings.max_age_ms / 1000),
        }))
    }

    /// `own` is the origin under which the client sees the gateway.
    pub(super) fn judge(&self, parts: &Parts, origin: &HeaderValue, own: &ClientOrigin<'_>) -> Verdict {
        let Ok(origin) = origin.to_str() else {
            return Verdict::Refused("The origin is not valid.");
        };
        // A page of this very origin: browsers send the header with POST.
        if own.is(origin) {
            return Verdict::Passes;
        }
        if !self.allows_origin(origin) {
            return Verdict::Refused("The origin is not allowed.");
        }
        let asked = parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD);
        match asked {
            Some(method) if parts.method == Method::OPTIONS => self.preflight(&parts.headers, method),
            _ if self.methods.contain(parts.method.as_str()) => Verdict::Passes,
            _ => Verdict::Refused("The method is not allowed across origins."),
        }
    }

    fn preflight(&self, request: &HeaderMap, method: &HeaderValue) -> Verdict {
        if !method.to_str().is_ok_and(|method| self.methods.contain(method)) {
            return Verdict::Refused("The method is not allowed across origins.");
        }
        let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let allowed = asked.is_none_or(|names| {
            names.to_str().is_ok_and(|names| {
                names
                    .split(',')
                    .map(str::trim)
                    .all(|name| name.is_empty() || self.headers.contain_ignoring_case(name))
            })
        });
        if !allowed {
            return Verdict::Refused("A header is not allowed across origins.");
        }
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        // With credentials "*" would mean a method of that name, so what was asked for is repeated.
        let methods = match &self.methods {
            Allowed::These(methods) => HeaderValue::from_str(&methods.join(", ")).ok(),
            Allowed::All => Some(method.clone()),
        };
        if let Some(methods) = methods {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        if let Some(names) = asked {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        Verdict::Preflight(response)
    }

    /// Tells the browser that the page may see the answer, and caches what it depends on.
    pub(super) fn decorate(&self, headers: &mut HeaderMap, origin: Option<&HeaderValue>) {
        headers.append(VARY, DEPENDS_ON);
        let Some(origin) = origin.filter(|origin| origin.to_str().is_ok_and(|text| self.allows_origin(text)))
        else {
            return;
        };
        // Replaces the service's own field: a browser refuses an answer with two of them.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        match self.credentials {
            true => headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
            false => headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS),
        };
        if let Some(exposed) = &self.exposed {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }

    fn allows_origin(&self, origin: &str) -> bool {
        match &self.origins {
            Allowed::All => true,
            Allowed::These(origins) => origins.iter().any(|allowed| ClientOrigin::same(allowed, origin)),
        }
    }
}

impl Allowed {
    fn of(values: &[String]) -> Self {
        match values.iter().any(|value| value == "*") {
            true => Self::All,
            false => Self::These(values.to_vec()),
        }
    }

    fn contain(&self, value: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(values) => values.iter().any(|allowed| allowed == value),
        }
    }

    fn contain_ignoring_case(&self, value: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(values) => values.iter().any(|allowed| allowed.eq_ignore_ascii_case(value)),
        }
    }
}

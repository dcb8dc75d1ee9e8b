//! Who asks: the extractor of every handler whose use case has to know.

use std::{
    future::{Ready, ready},
    str,
};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName},
    web::Data,
};
use futures::future::{Either, FutureExt as _, LocalBoxFuture};
use http_common::{InternalSettings, Problem, internal, session};
use identity::{AuthSettings, Authenticator, Mode, Principal, Refused};

use crate::failure::Failure;

static INTERNAL: HeaderName = HeaderName::from_static(internal::HEADER);
const SCHEME: &[u8] = b"Bearer";

/// How a service finds out who asks. Every service has one; the chassis gives it to the server.
pub struct Authentication {
    authenticator: Authenticator,
    internal: InternalSettings,
    cookie: &'static str,
}

/// Where nobody needs a token and there is no key that could prove one: for tests.
impl Default for Authentication {
    fn default() -> Self {
        let authenticator = Authenticator::new("", &AuthSettings::default());
        Self::new(authenticator, InternalSettings::default())
    }
}

/// In the extensions of a request whose caller was told by a token: the answer is his alone.
pub(crate) struct ToldByToken;

impl Authentication {
    /// With an empty internal token no request is that of a service.
    #[must_use]
    pub fn new(authenticator: Authenticator, internal: InternalSettings) -> Self {
        let secure = authenticator.settings().secure_cookies;
        let cookie = if secure { session::SECURE_SESSION } else { session::SESSION };
        Self { authenticator, internal, cookie }
    }

    /// A second header would leave open which one counts.
    fn is_service(&self, headers: &HeaderMap) -> bool {
        let mut tokens = headers.get_all(&INTERNAL);
        let Some(token) = tokens.next().filter(|_| tokens.next().is_none()) else { return false };
        self.internal.accepts(Some(token.as_bytes()))
    }
}

/// Extractor: who asks. A token that does not hold is 401 in both modes, none is 401 in mode required, and two that differ are 400.
/// A request with the internal token is that of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(pub identity::Caller);

impl FromRequest for Caller {
    type Error = Failure;
    type Future = Either<Ready<Result<Self, Failure>>, LocalBoxFuture<'static, Result<Self, Failure>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(authentication) = request.app_data::<Data<Authentication>>() else {
            tracing::error!("a handler asks who calls, and the server was not told how to find out");
            return done(Err(Problem::internal().into()));
        };
        let headers = request.headers();
        if authentication.is_service(headers) {
            return done(Ok(Self(identity::Caller::Service)));
        }
        let authenticator = &authentication.authenticator;
        let mode = authenticator.mode();
        let token = match token(headers, authentication.cookie) {
            Ok(Some(token)) => token,
            Ok(None) => return done(anybody(mode)),
            Err(refused) => {
                authenticator.count(refused);
                return done(Err(problem(refused).into()));
            }
        };
        request.extensions_mut().insert(ToldByToken);
        match authenticator.check_known(token) {
            Some(result) => done(known(result, mode)),
            None => {
                let (authenticator, token) = (authenticator.clone(), token.to_owned());
                Either::Right(async move { known(authenticator.check(&token).await, mode) }.boxed_local())
            }
        }
    }
}

fn done(result: Result<Caller, Failure>) -> <Caller as FromRequest>::Future {
    Either::Left(ready(result))
}

fn anybody(mode: Mode) -> Result<Caller, Failure> {
    match mode {
        Mode::Open => Ok(Caller(identity::Caller::Anybody)),
        Mode::Required => Err(Problem::unauthorized().into()),
    }
}

fn known(result: Result<std::sync::Arc<Principal>, Refused>, mode: Mode) -> Result<Caller, Failure> {
    match result {
        Ok(principal) => Ok(Caller(identity::Caller::Known(principal, mode))),
        Err(refused) => Err(problem(refused).into()),
    }
}

fn problem(refused: Refused) -> Problem {
    match refused {
        Refused::TwoTokens => {
            Problem::bad_request("The request carries two different tokens, or one of them twice.")
        }
        Refused::NoKeys => Problem::unavailable("Tokens cannot be checked at the moment.", 1),
        _ => Problem::invalid_token(),
    }
}

/// The one token of the request.
fn token<'r>(headers: &'r HeaderMap, cookie: &str) -> Result<Option<&'r str>, Refused> {
    let of_header = bearer(headers)?;
    let of_cookie = session_cookie(headers, cookie)?;
    let token = match (of_header, of_cookie) {
        (Some(one), Some(other)) if one != other => return Err(Refused::TwoTokens),
        (one, other) => one.or(other),
    };
    token.map(|token| str::from_utf8(token).map_err(|_| Refused::Malformed)).transpose()
}

/// What follows `Bearer`. Another scheme is not passed over: who sends credentials expects them to be looked at.
fn bearer(headers: &HeaderMap) -> Result<Option<&[u8]>, Refused> {
    let mut fields = headers.get_all(AUTHORIZATION);
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(Refused::TwoTokens);
    }
    let (scheme, token) = field.as_bytes().split_at_checked(SCHEME.len()).ok_or(Refused::Malformed)?;
    let token = token.strip_prefix(b" ").filter(|_| scheme.eq_ignore_ascii_case(SCHEME));
    match token.map(<[u8]>::trim_ascii) {
        Some(token) if !token.is_empty() => Ok(Some(token)),
        _ => Err(Refused::Malformed),
    }
}

/// The cookie of the name, which may be there once. An empty one is what is left of a session.
fn session_cookie<'r>(headers: &'r HeaderMap, name: &str) -> Result<Option<&'r [u8]>, Refused> {
    let mut found = None;
    let pairs = headers.get_all(COOKIE).flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    for pair in pairs {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        if let Some(value) = value
            && found.replace(value).is_some()
        {
            return Err(Refused::TwoTokens);
        }
    }
    Ok(found.filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn found(fields: &[(&'static str, &[u8])]) -> Result<Option<String>, Refused> {
        let request =
            fields.iter().fold(TestRequest::default(), |request, field| request.append_header(*field));
        token(request.to_http_request().headers(), session::SESSION).map(|token| token.map(str::to_owned))
    }

    #[test]
    fn there_is_one_token_or_none() {
        let long = [b"session=".as_slice(), &[b'x'; 100_000]].concat();
        let none: &[&[(&str, &[u8])]] = &[
            &[],
            &[("cookie", b"")],
            &[("cookie", b"theme=dark; mysession=a; session2=b; __Host-session=c")],
            &[("cookie", b"session="), ("cookie", b"a=session=x")],
            &[("cookie", b"session")],
            &[("cookie", b"a=\xff")],
        ];
        for fields in none {
            assert_eq!(found(fields), Ok(None), "{fields:?}");
        }
        let a: &[&[(&str, &[u8])]] = &[
            &[("cookie", b"session=a")],
            &[("cookie", b"theme=dark;session=a ;x=y")],
            &[("cookie", b"theme=dark"), ("cookie", b"session=a")],
            &[("authorization", b"Bearer a")],
            &[("authorization", b"bearer  a")],
            &[("authorization", b"BEARER a"), ("cookie", b"session=a")],
            &[("authorization", b"Bearer a"), ("cookie", b"session=")],
        ];
        for fields in a {
            assert_eq!(found(fields), Ok(Some("a".to_owned())), "{fields:?}");
        }
        type Fields<'a> = &'a [(&'static str, &'a [u8])];
        let refused: &[(Fields<'_>, Refused)] = &[
            (&[("cookie", b"session=a; session=a")], Refused::TwoTokens),
            (&[("cookie", b"session=a; session=")], Refused::TwoTokens),
            (&[("cookie", b"session=a"), ("cookie", b"session=b")], Refused::TwoTokens),
            (&[("authorization", b"Bearer a"), ("cookie", b"session=b")], Refused::TwoTokens),
            (&[("authorization", b"Bearer a"), ("authorization", b"Bearer a")], Refused::TwoTokens),
            (&[("authorization", b"Bearer")], Refused::Malformed),
            (&[("authorization", b"Bearer ")], Refused::Malformed),
            (&[("authorization", b"Bearera")], Refused::Malformed),
            (&[("authorization", b"Basic YTpi")], Refused::Malformed),
            (&[("authorization", b"")], Refused::Malformed),
            (&[("cookie", b"session=\xff")], Refused::Malformed),
        ];
        for (fields, wanted) in refused {
            assert_eq!(found(fields), Err(*wanted), "{fields:?}");
        }
        assert_eq!(
            found(&[("cookie", &long)]).map(|token| token.map(|token| token.len())),
            Ok(Some(100_000))
        );
    }
}

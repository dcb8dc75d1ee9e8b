//! The cookies of a session. The short-lived token goes to every service, the refresh token to `/users` alone.
//!
//! So the refresh token has the prefix `__Secure-` where browsers speak HTTPS: `__Host-` would demand `Path=/`, and the token of
//! 30 days would lie in the requests to, and perhaps in a log of, services that have no use for it.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use http_common::{Problem, session};

use crate::domain::RefreshToken;
use crate::use_cases::sessions::Session;

const REFRESH_PATH: &str = "/users";

#[derive(Clone, Copy, Debug)]
pub struct Cookies {
    /// Browsers speak HTTPS.
    pub secure: bool,
    pub token_lifetime: Duration,
    pub refresh_lifetime: Duration,
}

impl Cookies {
    pub(super) fn set(&self, response: &mut HttpResponse, given: &Session) {
        self.append(response, self.session(), &given.token, "/", self.token_lifetime);
        // Without one the client keeps the newer one that it has.
        if let Some(refresh) = &given.refresh {
            self.append(response, self.refresh(), &refresh.reveal(), REFRESH_PATH, self.refresh_lifetime);
        }
    }

    pub(super) fn clear(&self, response: &mut HttpResponse) {
        self.append(response, self.session(), "", "/", Duration::ZERO);
        self.append(response, self.refresh(), "", REFRESH_PATH, Duration::ZERO);
    }

    /// The refresh token of a request. `None`: there is none, or what is there is none.
    ///
    /// # Errors
    /// There are two.
    pub(super) fn shown(&self, request: &HttpRequest) -> Result<Option<RefreshToken>, Problem> {
        let name = self.refresh();
        let fields = request.headers().get_all(COOKIE).filter_map(|field| field.to_str().ok());
        let pairs = fields.flat_map(|field| field.split(';'));
        let mut found = pairs.filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
        let first = found.next();
        if found.next().is_some() {
            return Err(Problem::bad_request(format!("The request carries the cookie {name} twice.")));
        }
        Ok(first.and_then(RefreshToken::parse))
    }

    fn session(&self) -> &'static str {
        if self.secure { session::SECURE_SESSION } else { session::SESSION }
    }

    fn refresh(&self) -> &'static str {
        if self.secure { session::SECURE_REFRESH } else { session::REFRESH }
    }

    fn append(&self, response: &mut HttpResponse, name: &str, value: &str, path: &str, max_age: Duration) {
        let secure = if self.secure { "; Secure" } else { "" };
        let max_age = max_age.as_secs();
        let text = format!("{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}");
        // Names, paths and values are ASCII.
        if let Ok(mut field) = HeaderValue::from_str(&text) {
            field.set_sensitive(true);
            response.headers_mut().append(SET_COOKIE, field);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actix_web::test::TestRequest;

    use super::*;
    use crate::domain::refresh::TOKEN;

    fn cookies(secure: bool) -> Cookies {
        let (token_lifetime, refresh_lifetime) = (Duration::from_secs(900), Duration::from_secs(2_592_000));
        Cookies { secure, token_lifetime, refresh_lifetime }
    }

    #[test]
    fn their_attributes() {
        for (secure, wanted) in [
            (
                false,
                [
                    "session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
                    "refresh=; Path=/users; Max-Age=0; HttpOnly; SameSite=Lax",
                ],
            ),
            (
                true,
                [
                    "__Host-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
                    "__Secure-refresh=; Path=/users; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
                ],
            ),
        ] {
            let mut response = HttpResponse::NoContent().finish();
            cookies(secure).clear(&mut response);
            let set: Vec<_> = response.headers().get_all(SET_COOKIE).collect();
            assert_eq!(set, wanted);
        }
    }

    #[test]
    fn one_refresh_token_is_found_and_two_are_refused() {
        let token = RefreshToken::of([7; TOKEN]);
        let text = token.reveal();
        let shown = |cookie: String| {
            let request = TestRequest::default().insert_header((COOKIE, cookie)).to_http_request();
            cookies(false).shown(&request).map(|token| token.map(|token| token.hash()))
        };
        for cookie in [format!("refresh={text}"), format!("a=b;refresh={text} ; c=d")] {
            assert_eq!(shown(cookie).unwrap(), Some(token.hash()));
        }
        for cookie in ["", "refresh=", "refresh=x", "refresher=x", &format!("__Secure-refresh={text}")] {
            assert_eq!(shown(cookie.to_owned()).unwrap(), None, "{cookie}");
        }
        assert_eq!(shown(format!("refresh={text}; refresh={text}")).unwrap_err().status, 400);
    }
}

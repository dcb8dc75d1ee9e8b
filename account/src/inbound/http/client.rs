//! Whose attempts are counted together.

use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};

use actix_web::dev::Payload;
use actix_web::http::header::X_FORWARDED_FOR;
use actix_web::{FromRequest, HttpRequest};
use rest::Failure;

use crate::use_cases::throttle::Client;

/// The gateway writes `X-Forwarded-For`, and overwrites what others claim there. Behind a trusted proxy of the gateway the field
/// is a list, and its first element the nearest to the client, as in all `X-Forwarded-*` fields.
pub(super) struct From(pub(super) Client);

impl FromRequest for From {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let said = request.headers().get(X_FORWARDED_FOR).and_then(|value| value.to_str().ok());
        let first = said.and_then(|list| address(list.split(',').next()?.trim()));
        let client = first.or_else(|| request.peer_addr().map(|peer| peer.ip()));
        ready(Ok(Self(Client(client))))
    }
}

/// With a port, or without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_first_who_was_forwarded_or_the_peer() {
        for (said, wanted) in [
            (None, "192.0.2.9"),
            (Some("203.0.113.1"), "203.0.113.1"),
            (Some(" 203.0.113.1 , 10.0.0.1"), "203.0.113.1"),
            (Some("203.0.113.1:4711"), "203.0.113.1"),
            (Some("[2001:db8::1]:4711"), "2001:db8::1"),
            (Some("2001:db8::1"), "2001:db8::1"),
            (Some("unknown"), "192.0.2.9"),
            (Some(""), "192.0.2.9"),
        ] {
            let mut request = TestRequest::default().peer_addr("192.0.2.9:1".parse().unwrap());
            if let Some(said) = said {
                request = request.insert_header((X_FORWARDED_FOR, said));
            }
            let request = request.to_http_request();
            let client = From::from_request(&request, &mut Payload::None).into_inner().unwrap().0;
            assert_eq!(client, Client(Some(wanted.parse().unwrap())), "{said:?}");
        }
    }
}

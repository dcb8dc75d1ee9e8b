//! Whose attempts are counted together.

use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, X_FORWARDED_FOR};
use actix_web::{FromRequest, HttpRequest};
use http_common::forwarded;
use rest::Failure;

use crate::use_cases::throttle::Client;

static CLIENT: HeaderName = HeaderName::from_static(forwarded::CLIENT);

/// The gateway overwrites what others claim in these fields. Behind trusted proxies `X-Forwarded-For` is a list, and most proxies
/// append to what their client has sent: its first element is whatever an attacker likes. There the gateway says in a field of
/// its own who it is. Without that field only the last element is the work of whoever is in front of this service.
pub(super) struct From(pub(super) Client);

impl FromRequest for From {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let last = |name: &HeaderName| request.headers().get_all(name).next_back()?.to_str().ok();
        let said = last(&CLIENT).or_else(|| last(&X_FORWARDED_FOR));
        let said = said.and_then(|list| address(list.rsplit(',').next()?.trim()));
        let client = said.or_else(|| request.peer_addr().map(|peer| peer.ip()));
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
    fn the_last_who_was_forwarded_or_the_peer() {
        for (said, wanted) in [
            (None, "192.0.2.9"),
            (Some("203.0.113.1"), "203.0.113.1"),
            (Some(" 198.51.100.1 , 203.0.113.1 "), "203.0.113.1"),
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

    #[test]
    fn what_the_gateway_says_comes_before_a_list_that_anybody_may_have_begun() {
        let request = TestRequest::default()
            .peer_addr("192.0.2.9:1".parse().unwrap())
            .insert_header((X_FORWARDED_FOR, "198.51.100.1, 203.0.113.1, 10.0.0.1"))
            .insert_header((CLIENT.clone(), "203.0.113.1"))
            .to_http_request();
        let client = From::from_request(&request, &mut Payload::None).into_inner().unwrap().0;
        assert_eq!(client, Client(Some("203.0.113.1".parse().unwrap())));
    }
}

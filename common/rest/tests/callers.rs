//! Who asks, over HTTP: in both modes, by cookie and by header, and what a wrong token gets.

#![allow(clippy::unwrap_used)]

mod support;

use std::{net::SocketAddr, sync::Arc};

use actix_web::web::{Data, ServiceConfig, resource};
use async_trait::async_trait;
use http_common::{Actuator, InternalSettings, Lifecycle};
use identity::{
    AuthSettings, Authenticator, Claims, JwkSet, KeySource, Mode, Role, Signer, authenticator::now,
    source::NoAnswer,
};
use rest::{Authentication, Caller, Server};
use support::{Answer, read_answer, request, settings};
use tokio::{io::AsyncWriteExt, net::TcpStream};

const INTERNAL: &str = "0123456789abcdef0123456789abcdef";

/// A server with one route, which says who asks.
struct Running {
    address: SocketAddr,
    authenticator: Authenticator,
    signer: Signer,
}

async fn who(caller: Caller) -> String {
    match &caller.0 {
        identity::Caller::Anybody => "anybody".to_owned(),
        identity::Caller::Service => "service".to_owned(),
        identity::Caller::Known(principal, mode) => format!("{} {mode:?}", principal.user_id),
    }
}

async fn start(auth: AuthSettings) -> Running {
    let (signer, authenticator) = (Signer::generate(), Authenticator::new("books", &auth));
    authenticator.set_keys(&JwkSet { keys: vec![signer.jwk().clone()] });
    let internal = InternalSettings { token: INTERNAL.into() };
    let authentication = Data::new(Authentication::new(authenticator.clone(), internal));
    let address = serve(move |config| {
        config.app_data(authentication.clone()).service(resource("/who").to(who));
    });
    Running { address, authenticator, signer }
}

fn serve(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> SocketAddr {
    let lifecycle = Lifecycle::new();
    let actuator = Actuator::new("books", lifecycle.clone());
    let server = Server::bind(&settings(), actuator, lifecycle.clone(), configure).unwrap();
    let address = server.addr();
    tokio::spawn(server.run(std::future::pending()));
    lifecycle.started();
    address
}

async fn get(address: SocketAddr, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request("GET", "/who", headers, "").as_bytes()).await.unwrap();
    read_answer(&mut stream, false).await
}

impl Running {
    fn claims(&self) -> Claims {
        let AuthSettings { issuer, audience, .. } = self.authenticator.settings().clone();
        let (iat, exp) = (now(), now() + 900);
        Claims {
            sub: 7,
            email: "customer@shop.example".into(),
            roles: Role::Customer.into(),
            iat,
            exp,
            iss: issuer,
            aud: audience,
            jti: "1".into(),
            nbf: None,
        }
    }

    fn token(&self) -> String {
        self.signer.sign(&self.claims())
    }

    async fn get(&self, headers: &str) -> Answer {
        get(self.address, headers).await
    }

    async fn assert_who(&self, headers: &str, who: &str) {
        let answer = self.get(headers).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, who), "{headers}");
    }

    /// 401 as RFC 6750 has it, and nothing of the token in it.
    async fn assert_wrong(&self, headers: &str) {
        let answer = self.get(headers).await;
        let problem = answer.assert_problem(401);
        assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="api", error="invalid_token""#));
        assert_eq!(problem["instance"], "/who");
        assert_eq!(
            problem["detail"], "The token is not valid, or not valid any more.",
            "whatever is wrong with it"
        );
    }
}

fn in_mode(mode: Mode) -> AuthSettings {
    AuthSettings { mode, ..AuthSettings::default() }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn cookie(token: &str) -> String {
    format!("Cookie: theme=dark; session={token}\r\n")
}

#[tokio::test]
async fn without_a_token_the_mode_decides() {
    let open = start(in_mode(Mode::Open)).await;
    for none in ["", "Cookie: theme=dark\r\n", "Cookie: session=\r\n", "Cookie: __Host-session=x\r\n"] {
        open.assert_who(none, "anybody").await;
    }
    let required = start(in_mode(Mode::Required)).await;
    for none in ["", "Cookie: theme=dark\r\n", "Cookie: session=\r\n", "Cookie: __Host-session=x\r\n"] {
        let answer = required.get(none).await;
        answer.assert_problem(401);
        assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="api""#));
    }
}

#[tokio::test]
async fn a_valid_token_tells_who_asks_in_both_modes() {
    for mode in [Mode::Open, Mode::Required] {
        let server = start(in_mode(mode)).await;
        let (token, who) = (server.token(), format!("7 {mode:?}"));
        server.assert_who(&bearer(&token), &who).await;
        server.assert_who(&cookie(&token), &who).await;
        server.assert_who(&format!("{}{}", bearer(&token), cookie(&token)), &who).await;
        // In several fields, as HTTP/2 sends them.
        server.assert_who(&format!("Cookie: a=b\r\n{}", cookie(&token)), &who).await;
    }
}

#[tokio::test]
async fn a_wrong_token_is_401_in_both_modes() {
    for mode in [Mode::Open, Mode::Required] {
        let server = start(in_mode(mode)).await;
        let token = server.token();
        let expired = server.signer.sign(&Claims { iat: 1, exp: 2, ..server.claims() });
        let strange = Signer::generate().sign(&server.claims());
        let other = server.signer.sign(&Claims { aud: "other".into(), ..server.claims() });
        let large = "x".repeat(100_000);
        for wrong in ["x", "a.b.c", &token[..token.len() - 1], &expired, &strange, &other, &large] {
            server.assert_wrong(&bearer(wrong)).await;
            server.assert_wrong(&cookie(wrong)).await;
        }
        server.assert_wrong("Authorization: Basic YTpi\r\n").await;
        server.assert_wrong("Authorization: Bearer\r\n").await;
        server.authenticator.bans().ban(7, now(), now() + 1_000);
        server.assert_wrong(&bearer(&token)).await;
    }
}

#[tokio::test]
async fn two_tokens_are_400_in_both_modes() {
    for mode in [Mode::Open, Mode::Required] {
        let server = start(in_mode(mode)).await;
        let one = server.token();
        let other = server.signer.sign(&Claims { jti: "2".into(), ..server.claims() });
        for two in [
            format!("{}{}", bearer(&one), cookie(&other)),
            format!("{}{}", bearer(&one), bearer(&one)),
            format!("Cookie: session={one}; session={one}\r\n"),
            format!("Cookie: session={one}; session={other}\r\n"),
            format!("{}{}", cookie(&one), cookie(&other)),
            format!("Cookie: session={one}; session=\r\n"),
        ] {
            server.get(&two).await.assert_problem(400);
        }
    }
}

#[tokio::test]
async fn over_https_the_cookie_is_the_one_that_only_this_host_can_set() {
    let server = start(AuthSettings { secure_cookies: true, ..in_mode(Mode::Required) }).await;
    let token = server.token();
    server.assert_who(&format!("Cookie: __Host-session={token}\r\n"), "7 Required").await;
    server.assert_who(&format!("Cookie: session=x; __Host-session={token}\r\n"), "7 Required").await;
    server.get(&cookie(&token)).await.assert_problem(401);
}

#[tokio::test]
async fn a_service_proves_itself_with_the_internal_token() {
    let server = start(in_mode(Mode::Required)).await;
    let internal = format!("X-Internal-Token: {INTERNAL}\r\n");
    server.assert_who(&internal, "service").await;
    server.assert_who(&format!("{internal}{}", bearer("x")), "service").await;
    for wrong in [format!("X-Internal-Token: {}\r\n", &INTERNAL[1..]), format!("{internal}{internal}")] {
        server.get(&wrong).await.assert_problem(401);
        server.assert_who(&format!("{wrong}{}", bearer(&server.token())), "7 Required").await;
    }
}

struct Away;

#[async_trait]
impl KeySource for Away {
    async fn keys(&self) -> Result<JwkSet, NoAnswer> {
        Err(NoAnswer::Other("away".into()))
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_checked_yet_is_503_and_says_when_to_come_back() {
    let server = start(in_mode(Mode::Open)).await;
    server.authenticator.set_keys(&JwkSet::default());
    server.get(&bearer(&server.token())).await.assert_problem(503);
    assert!(server.authenticator.set_source(Arc::new(Away)));
    for _ in 0..3 {
        server.get(&bearer(&server.token())).await.assert_problem(503);
    }
    server.assert_who("", "anybody").await;
}

#[tokio::test]
async fn a_server_that_was_not_told_how_to_find_out_lets_nobody_in() {
    let address = serve(|config| {
        config.service(resource("/who").to(who));
    });
    get(address, "").await.assert_problem(500);
}

//! A service checks tokens without account: it starts while account is away, and asks for its keys once it is there.

#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use actix_web::web::{ServiceConfig, resource};
use chassis::{Application, Chassis, NothingOfItsOwn, Service, Settings, StartError};
use identity::{Claims, JwkSet, Role, Signer, authenticator::now};
use settings::Compiled;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

const PAGE: &str = "/.well-known/jwks.json";

const SERVICE: Service<NothingOfItsOwn> = Service {
    name: "books",
    about: "",
    settings: Compiled { defaults: "", profiles: &[] },
    build: |settings| Box::pin(build(settings)),
};

async fn build(settings: Settings<NothingOfItsOwn>) -> Result<Application, StartError> {
    Chassis::open(SERVICE.name, settings.shared, &[]).await?.serve(|config: &mut ServiceConfig| {
        config.service(resource("/who").to(who));
    })
}

async fn who(rest::Caller(caller): rest::Caller) -> String {
    format!("{:?}", caller.user_id())
}

fn settings(dir: &TempDir, more: &[(&str, &str)]) -> Settings<NothingOfItsOwn> {
    let file = |name: &str| format!("sqlite://{}", dir.path().join(name).display());
    let (database, log) = (file("books.db"), file("events.db"));
    let own = [("SERVER_PORT", "0"), ("DATABASE_URL", &database), ("EVENT_LOG_URL", &log)];
    SERVICE.compiled_in(None, &[&own[..], more].concat()).unwrap()
}

fn token(signer: &Signer) -> String {
    let iat = now();
    signer.sign(&Claims {
        sub: 7,
        email: "customer@shop.example".into(),
        roles: Role::Customer.into(),
        iat,
        exp: iat + 900,
        iss: "preorder".into(),
        aud: "preorder".into(),
        jti: "1".into(),
        nbf: None,
    })
}

async fn get(address: SocketAddr, path: &str) -> u16 {
    reqwest::get(format!("http://{address}{path}")).await.unwrap().status().as_u16()
}

async fn ask(address: SocketAddr, token: Option<&str>) -> (u16, String) {
    let request = reqwest::Client::new().get(format!("http://{address}/who"));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn starts_without_account_and_knows_its_users_once_it_is_there() {
    let dir = TempDir::new().unwrap();
    // Taken and not answering HTTP yet: nobody else gets the port.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}{PAGE}", listener.local_addr().unwrap());
    let more = [("AUTH_MODE", "required"), ("AUTH_JWKS_URL", &*url), ("AUTH_JWKS_TIMEOUT_MS", "200")];
    let application = build(settings(&dir, &more)).await.unwrap();
    let (address, stop) = (application.addr(), CancellationToken::new());
    let running = tokio::spawn(application.run(stop.clone()));

    let signer = Signer::generate();
    let token = token(&signer);
    assert_eq!(ask(address, None).await.0, 401);
    assert_eq!(ask(address, Some(&token)).await.0, 503);
    let readiness = async || get(address, "/actuator/health/readiness").await;
    assert_eq!(readiness().await, 503, "another replica may have the keys");

    let account = MockServer::builder().listener(listener).start().await;
    let keys = JwkSet { keys: vec![signer.jwk().clone()] };
    Mock::given(path(PAGE))
        .respond_with(ResponseTemplate::new(200).set_body_json(keys))
        .mount(&account)
        .await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while ask(address, Some(&token)).await.0 != 200 {
        assert!(Instant::now() < deadline, "the keys are not fetched");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while readiness().await != 200 {
        assert!(Instant::now() < deadline, "it is not ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // And goes on to know them.
    drop(account);
    assert_eq!(ask(address, Some(&token)).await, (200, "Some(7)".to_owned()));
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[test]
fn a_wrong_setting_is_one_line() {
    for (name, value, wanted) in [
        ("AUTH_MODE", "closed", "auth.mode: expected open or required"),
        ("AUTH_ISSUER", " ", "auth.issuer"),
        ("AUTH_JWKS_URL", "account:8085", "auth.jwks_url"),
        ("AUTH_JWKS_URL", "https://account/keys", "auth.jwks_url"),
        ("AUTH_JWKS_COOLDOWN_MS", "0", "auth.jwks_cooldown_ms"),
        ("AUTH_TOKEN_LIFETIME_MS", "1500", "auth.token_lifetime_ms"),
        ("AUTH_CLOCK_SKEW_MS", "-1", "auth.clock_skew_ms"),
        ("AUTH_CACHED_TOKENS", "0", "auth.cached_tokens"),
        ("AUTH_SECURE_COOKIES", "perhaps", "auth.secure_cookies"),
    ] {
        let error = SERVICE.compiled_in(None, &[(name, value)]).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(wanted) || error.contains(name), "{name}={value}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    for profile in [None, Some("docker")] {
        assert!(SERVICE.compiled_in(profile, &[]).is_ok(), "{profile:?}");
    }
}

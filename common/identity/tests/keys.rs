//! Where keys come from: fetched at once, again by age and for an unknown key, and never because of a flood.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use identity::{AuthSettings, Authenticator, HttpKeys, Refused, Signer, authenticator::now};
use support::*;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

const PAGE: &str = "/.well-known/jwks.json";

async fn publish(server: &MockServer, answer: ResponseTemplate) {
    server.reset().await;
    Mock::given(path(PAGE)).respond_with(answer).mount(server).await;
}

async fn publish_keys(server: &MockServer, signers: &[&Signer]) {
    publish(server, ResponseTemplate::new(200).set_body_json(set(signers))).await;
}

async fn asked(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

fn settings() -> AuthSettings {
    // So that only what a test is about makes it ask.
    AuthSettings { jwks_refresh_ms: 3_600_000, jwks_cooldown_ms: 3_600_000, ..AuthSettings::default() }
}

fn asking(url: &str, settings: &AuthSettings) -> Authenticator {
    let authenticator = Authenticator::new("test", settings);
    let keys = HttpKeys::new(url, settings.jwks_timeout()).unwrap();
    assert!(authenticator.set_source(Arc::new(keys)));
    authenticator
}

fn page(server: &MockServer) -> String {
    format!("{}{PAGE}", server.uri())
}

fn token(signer: &Signer) -> String {
    signer.sign(&claims_at(now()))
}

/// Runs what a service runs beside its requests.
fn keep(authenticator: &Authenticator) -> tokio::task::JoinHandle<()> {
    let authenticator = authenticator.clone();
    tokio::spawn(async move { authenticator.keep_keys().await })
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_first_token_has_them_fetched() {
    let (server, signer) = (MockServer::start().await, Signer::generate());
    publish_keys(&server, &[&signer]).await;
    let authenticator = asking(&page(&server), &settings());
    let token = token(&signer);
    assert!(authenticator.check_known(&token).is_none());
    let checks = (0..50).map(|_| authenticator.check(&token));
    for result in futures::future::join_all(checks).await {
        assert_eq!(result.unwrap().user_id, 7);
    }
    assert_eq!(asked(&server).await, 1);
    assert!(authenticator.check_known(&token).unwrap().is_ok());
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_one_fetch() {
    let (server, signer) = (MockServer::start().await, Signer::generate());
    publish_keys(&server, &[&signer]).await;
    let settings = settings();
    let authenticator = asking(&page(&server), &settings);
    authenticator.check(&token(&signer)).await.unwrap();
    let strangers: Vec<String> = (0..200).map(|_| token(&Signer::generate())).collect();
    for result in futures::future::join_all(strangers.iter().map(|token| authenticator.check(token))).await {
        assert_eq!(result, Err(Refused::UnknownKey));
    }
    assert_eq!(asked(&server).await, 1, "the one that brought the keys was just before");
    // Nobody is asked, so that nobody waits.
    assert_eq!(authenticator.check_known(&strangers[0]), Some(Err(Refused::UnknownKey)));
}

#[tokio::test]
async fn a_request_that_is_given_up_does_not_have_them_fetched_again() {
    let (server, signer) = (MockServer::start().await, Signer::generate());
    publish(&server, ResponseTemplate::new(200).set_delay(Duration::from_secs(60))).await;
    let authenticator = asking(&page(&server), &AuthSettings { jwks_timeout_ms: 60_000, ..settings() });
    // With keys, so that the longer cooldown holds.
    authenticator.set_keys(&set(&[&signer]));
    let stranger = token(&Signer::generate());
    let given_up = tokio::spawn({
        let (authenticator, stranger) = (authenticator.clone(), stranger.clone());
        async move { authenticator.check(&stranger).await }
    });
    until("the page is asked", async || asked(&server).await == 1).await;
    given_up.abort();
    let _ = given_up.await;
    for _ in 0..20 {
        assert_eq!(authenticator.check(&stranger).await, Err(Refused::UnknownKey));
    }
    assert_eq!(asked(&server).await, 1);
}

#[tokio::test]
async fn account_is_away_at_the_start() {
    let signer = Signer::generate();
    let server = MockServer::start().await;
    publish(&server, ResponseTemplate::new(503)).await;
    let authenticator = asking(&page(&server), &settings());
    let kept = keep(&authenticator);
    let token = token(&signer);
    assert_eq!(authenticator.check(&token).await, Err(Refused::NoKeys), "which says nothing about the token");
    publish_keys(&server, &[&signer]).await;
    until("they are fetched", async || authenticator.check_at(&token, now()).is_ok()).await;
    kept.abort();
}

#[tokio::test]
async fn a_fetch_that_fails_changes_nothing() {
    let (server, signer) = (MockServer::start().await, Signer::generate());
    let settings = AuthSettings { jwks_cooldown_ms: 0, ..settings() };
    let authenticator = asking(&page(&server), &settings);
    authenticator.set_keys(&set(&[&signer]));
    let (token, stranger) = (token(&signer), token(&Signer::generate()));
    let large = format!("{{\"keys\":[{}]}}", "{},".repeat(50_000));
    for answer in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(204),
        ResponseTemplate::new(302).insert_header("location", "/elsewhere"),
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_string(r#"{"keys":{}}"#),
        ResponseTemplate::new(200).set_body_string(r#"{"keys":[]}"#),
        ResponseTemplate::new(200).set_body_string(r#"{"keys":[{"kty":"RSA","kid":"1"}]}"#),
        ResponseTemplate::new(200).set_body_string(large),
    ] {
        publish(&server, answer).await;
        assert_eq!(authenticator.check(&stranger).await, Err(Refused::UnknownKey));
        assert_eq!(asked(&server).await, 1);
        assert!(authenticator.check(&token).await.is_ok());
    }
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_forgotten() {
    let (server, old, new) = (MockServer::start().await, Signer::generate(), Signer::generate());
    publish_keys(&server, &[&old]).await;
    let authenticator = asking(&page(&server), &AuthSettings { jwks_cooldown_ms: 0, ..settings() });
    let (of_old, of_new) = (token(&old), token(&new));
    assert!(authenticator.check(&of_old).await.is_ok());
    publish_keys(&server, &[&old, &new]).await;
    assert!(authenticator.check(&of_new).await.is_ok() && authenticator.check(&of_old).await.is_ok());
    publish_keys(&server, &[&new]).await;
    assert_eq!(authenticator.check(&token(&Signer::generate())).await, Err(Refused::UnknownKey));
    assert_eq!(authenticator.check(&of_old).await, Err(Refused::UnknownKey), "though it was checked before");
}

#[tokio::test]
async fn keys_are_fetched_again_by_age() {
    let (server, old, new) = (MockServer::start().await, Signer::generate(), Signer::generate());
    publish_keys(&server, &[&old]).await;
    let authenticator = asking(&page(&server), &AuthSettings { jwks_refresh_ms: 20, ..settings() });
    let kept = keep(&authenticator);
    let (of_old, of_new) = (token(&old), token(&new));
    until("the first key is known", async || authenticator.check_at(&of_old, now()).is_ok()).await;
    publish_keys(&server, &[&new]).await;
    until("the second is", async || authenticator.check_at(&of_new, now()).is_ok()).await;
    assert_eq!(authenticator.check_at(&of_old, now()), Err(Refused::UnknownKey));
    kept.abort();
}

#[tokio::test]
async fn bans_that_no_longer_matter_are_dropped() {
    let authenticator = knowing(&Signer::generate());
    authenticator.bans().ban(7, now() - 2_000, now() - 1_000);
    authenticator.bans().ban(8, now(), now() + 1_000);
    let kept = keep(&authenticator);
    until("one is dropped", async || authenticator.bans().len() == 1).await;
    kept.abort();
}

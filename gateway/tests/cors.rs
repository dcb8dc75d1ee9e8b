//! Cross-origin requests, after the tables of Spring's `DefaultCorsProcessor` and the Fetch standard.
#![allow(clippy::unwrap_used)]

mod support;

use gateway::{Settings, settings::CorsSettings};
use support::{Answer, Client, Gateway, Service, route, settings};

const ORIGIN: &str = "https://shop.example";

fn with(service: &Service, cors: CorsSettings) -> Settings {
    let mut settings = settings(&[route("x", "/x/**", service.addr)]);
    settings.cors = cors;
    settings
}

fn list(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn everything() -> CorsSettings {
    Settings::compiled_in(None).unwrap().cors
}

fn strict() -> CorsSettings {
    CorsSettings {
        allowed_origins: list(&[ORIGIN]),
        allowed_methods: list(&["GET", "POST"]),
        allowed_headers: list(&["Content-Type", "X-Token"]),
        exposed_headers: list(&["Location", "X-Request-Id"]),
        allow_credentials: false,
        max_age_ms: 60_000,
    }
}

async fn ask(gateway: &Gateway, method: &str, fields: &[(&str, &str)]) -> Answer {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut client = Client::connect(gateway.addr).await;
    client.ask(&format!("{method} /x HTTP/1.1\r\nHost: gate:8088\r\n{fields}\r\n")).await
}

#[tokio::test]
async fn without_an_origin_it_is_no_matter_of_cors() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::start(with(&service, strict())).await;
    let answer = ask(&gateway, "DELETE", &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    // But another answer could depend on it.
    assert!(answer.header("vary").unwrap().starts_with("Origin"));
}

#[tokio::test]
async fn preflights_are_answered_by_the_gateway() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::start(with(&service, strict())).await;
    let answer = ask(
        &gateway,
        "OPTIONS",
        &[
            ("Origin", ORIGIN),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type, x-token"),
        ],
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type, x-token"));
    assert_eq!(answer.header("access-control-max-age"), Some("60"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert!(service.seen().is_empty());

    // OPTIONS alone is a request as any other.
    let open = Gateway::start(with(&service, everything())).await;
    assert_eq!(ask(&open, "OPTIONS", &[("Origin", ORIGIN)]).await.body, "ok");
    assert_eq!(ask(&open, "OPTIONS", &[]).await.body, "ok");
}

#[tokio::test]
async fn what_is_not_allowed_is_403() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::start(with(&service, strict())).await;
    let method = "Access-Control-Request-Method";
    let headers = "Access-Control-Request-Headers";
    for (verb, fields) in [
        ("GET", vec![("Origin", "https://evil.example")]),
        ("GET", vec![("Origin", "null")]),
        ("GET", vec![("Origin", "https://shop.example.evil")]),
        ("GET", vec![("Origin", "http://shop.example")]),
        ("DELETE", vec![("Origin", ORIGIN)]),
        ("OPTIONS", vec![("Origin", "https://evil.example"), (method, "GET")]),
        ("OPTIONS", vec![("Origin", ORIGIN), (method, "DELETE")]),
        ("OPTIONS", vec![("Origin", ORIGIN), (method, "GET"), (headers, "x-token, x-other")]),
    ] {
        let answer = ask(&gateway, verb, &fields).await;
        answer.is_problem(403);
        if fields[0].1 != ORIGIN {
            assert_eq!(answer.header("access-control-allow-origin"), None, "{fields:?}");
        }
    }
    assert!(service.seen().is_empty());
}

#[tokio::test]
async fn answers_say_who_may_read_them() {
    let service = Service::start(|_| {
        support::Reply::text(
            "HTTP/1.1 201 Created\r\nLocation: /x/1\r\nVary: Accept\r\nAccess-Control-Allow-Origin: *\r\n\
             Access-Control-Allow-Credentials: true\r\nContent-Length: 0\r\n\r\n",
        )
    })
    .await;
    let gateway = Gateway::start(with(&service, strict())).await;
    let answer = ask(&gateway, "POST", &[("Origin", ORIGIN)]).await;
    assert_eq!(answer.status, 201);
    // Once, and not what the service thinks.
    assert_eq!(answer.headers("access-control-allow-origin"), [ORIGIN]);
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(answer.header("access-control-expose-headers"), Some("Location, X-Request-Id"));
    assert_eq!(answer.headers("vary").len(), 2);
    // Errors as well: a page wants to show them.
    let mut client = Client::connect(gateway.addr).await;
    let answer = client.ask(&format!("GET /nowhere HTTP/1.1\r\nHost: a\r\nOrigin: {ORIGIN}\r\n\r\n")).await;
    answer.is_problem(404);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
}

#[tokio::test]
async fn everything_echoes_the_origin_without_credentials() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::start(with(&service, everything())).await;
    for origin in [ORIGIN, "null", "http://localhost:3000"] {
        let answer = ask(&gateway, "PUT", &[("Origin", origin)]).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert!(answer.header("vary").unwrap().starts_with("Origin"));
        // What a script cannot do without: its own writes, when to come again, what to report, the version for If-Match.
        assert_eq!(
            answer.header("access-control-expose-headers"),
            Some("Location, X-Min-Version, Retry-After, X-Request-Id, ETag")
        );
    }
    let answer = ask(
        &gateway,
        "OPTIONS",
        &[
            ("Origin", ORIGIN),
            ("Access-Control-Request-Method", "PATCH"),
            ("Access-Control-Request-Headers", "x-anything"),
        ],
    )
    .await;
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-methods"), Some("PATCH"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-anything"));
}

#[tokio::test]
async fn credentials_are_for_origins_that_are_named() {
    let service = Service::saying("ok").await;
    for origins in [&["*"][..], &[ORIGIN, "*"], &["null"]] {
        let cors = CorsSettings { allowed_origins: list(origins), allow_credentials: true, ..everything() };
        let refused = with(&service, cors).check().unwrap_err();
        assert_eq!(refused.key, "cors.allow_credentials", "{origins:?}");
    }
    let cors = CorsSettings { allowed_origins: list(&[ORIGIN]), allow_credentials: true, ..everything() };
    let gateway = Gateway::start(with(&service, cors)).await;
    let answer = ask(&gateway, "PUT", &[("Origin", ORIGIN)]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    ask(&gateway, "PUT", &[("Origin", "https://evil.example")]).await.is_problem(403);
}

#[tokio::test]
async fn the_gateways_own_origin_is_none_of_the_others() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::start(with(&service, strict())).await;
    let answer = ask(&gateway, "DELETE", &[("Origin", "http://gate:8088")]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    // A browser leaves out the port that the scheme implies; whoever wrote the URL may not have.
    for (host, origin, status) in [
        ("gate:80", "http://gate", 200),
        ("gate", "http://gate:80", 200),
        ("Gate:8088", "http://gate:8088", 200),
        ("[::1]:8088", "http://[::1]:8088", 200),
        ("gate:443", "https://gate", 403),
        ("gate", "http://gate:8088", 403),
        ("gate:8088", "http://gate", 403),
    ] {
        let mut client = Client::connect(gateway.addr).await;
        let answer =
            client.ask(&format!("DELETE /x HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\r\n")).await;
        assert_eq!(answer.status, status, "{host} {origin}");
    }
}

/// gravitee-io/issues#3775: behind a proxy that ends TLS, the page's own POST was taken for one of another origin.
#[tokio::test]
async fn the_own_origin_is_the_one_that_a_trusted_proxy_forwards() {
    let service = Service::saying("ok").await;
    let strictly = with(&service, strict());
    let mut trusting = strictly.clone();
    trusting.forwarded.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let (trusting, strictly) = (Gateway::start(trusting).await, Gateway::start(strictly).await);
    let https = ("X-Forwarded-Proto", "https");
    for (origin, fields, status) in [
        ("https://own.example", vec![https, ("X-Forwarded-Host", "own.example")], 200),
        (
            "https://own.example",
            vec![("X-Forwarded-Proto", "HTTPS, http"), ("X-Forwarded-Host", "own.example, inner")],
            200,
        ),
        (
            "https://own.example:8443",
            vec![https, ("X-Forwarded-Host", "own.example"), ("X-Forwarded-Port", "8443")],
            200,
        ),
        ("https://gate:8088", vec![https], 200),
        ("http://gate:8088", vec![https], 403),
        ("https://evil.example", vec![https, ("X-Forwarded-Host", "own.example")], 403),
    ] {
        let fields: Vec<_> = [("Origin", origin)].into_iter().chain(fields).collect();
        assert_eq!(ask(&trusting, "DELETE", &fields).await.status, status, "{fields:?}");
    }
    // Of anybody else it is only a claim.
    let claim = [("Origin", "https://own.example"), https, ("X-Forwarded-Host", "own.example")];
    ask(&strictly, "DELETE", &claim).await.is_problem(403);
}

#[tokio::test]
async fn off_means_that_the_services_decide() {
    let service = Service::saying("ok").await;
    let gateway =
        Gateway::start(with(&service, CorsSettings { allowed_origins: Vec::new(), ..strict() })).await;
    let answer = ask(
        &gateway,
        "OPTIONS",
        &[("Origin", "https://evil.example"), ("Access-Control-Request-Method", "GET")],
    )
    .await;
    assert_eq!(answer.body, "ok");
    assert_eq!(answer.header("vary"), None);
}

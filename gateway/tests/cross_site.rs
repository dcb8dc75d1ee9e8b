//! Another site cannot act for a customer whose browser sends the cookies along.
#![allow(clippy::unwrap_used)]

mod support;

use gateway::Settings;
use support::{Answer, Client, Gateway, Reply, Service, route, settings};

const EVIL: (&str, &str) = ("Origin", "https://evil.example");
const OWN: (&str, &str) = ("Origin", "http://gate:8088");
const CROSS_SITE: (&str, &str) = ("Sec-Fetch-Site", "cross-site");
const SESSION: (&str, &str) = ("Cookie", "session=a.b.c");
const UNSAFE: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

fn with(service: &Service, origins: &[&str]) -> Settings {
    let mut settings = settings(&[route("x", "/x/**", service.addr)]);
    settings.cors.allowed_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    settings
}

async fn ask(gateway: &Gateway, method: &str, fields: &[(&str, &str)]) -> Answer {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{method} /x HTTP/1.1\r\nHost: gate:8088\r\nContent-Length: 0\r\n{fields}\r\n");
    let mut client = Client::connect(gateway.addr).await;
    client.send(request).await;
    match method {
        "HEAD" => client.answer_to_head().await,
        _ => client.answer().await,
    }
}

/// With the default of CORS, which allows every origin, and with CORS left to the services.
#[tokio::test]
async fn what_another_site_sends_with_a_session_is_refused() {
    let service = Service::saying("ok").await;
    for origins in [&["*"][..], &[]] {
        let gateway = Gateway::start(with(&service, origins)).await;
        for method in UNSAFE {
            for cookie in [
                "session=a.b.c",
                "__Host-session=a.b.c",
                "theme=dark; session=a.b.c",
                "refresh=r",
                "__Secure-refresh=r",
            ] {
                for foreign in [
                    &[EVIL][..],
                    &[CROSS_SITE],
                    &[EVIL, CROSS_SITE],
                    &[("Origin", "null")],
                    &[("Origin", "null"), CROSS_SITE],
                    &[("Sec-Fetch-Site", "same-site")],
                    &[("Sec-Fetch-Site", "another-word")],
                    &[("Sec-Fetch-Site", "")],
                    &[("Origin", "")],
                    // The name alone, another scheme, another port.
                    &[("Origin", "https://gate:8088")],
                    &[("Origin", "http://gate")],
                    &[("Origin", "http://gate:8088.evil.example")],
                    &[("Origin", "http://gate:8088, http://gate:8088")],
                    // Twice: no browser does.
                    &[OWN, EVIL],
                    &[EVIL, OWN],
                    &[("Sec-Fetch-Site", "same-origin"), CROSS_SITE],
                    // What it claims of its way here.
                    &[EVIL, ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example")],
                    // Named by `Connection`, and still there when it is asked for.
                    &[EVIL, ("Connection", "Origin, Cookie, Sec-Fetch-Site")],
                ] {
                    let fields: Vec<_> = [("Cookie", cookie)].into_iter().chain(foreign.to_vec()).collect();
                    ask(&gateway, method, &fields).await.is_problem(403);
                }
            }
        }
    }
    // The second of several fields, too.
    let gateway = Gateway::before(&service).await;
    ask(&gateway, "POST", &[("Cookie", "a=b"), SESSION, EVIL]).await.is_problem(403);
    assert!(service.seen().is_empty());
}

#[tokio::test]
async fn everything_else_goes_its_way() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::start(with(&service, &["*"])).await;
    for method in ["GET", "HEAD", "OPTIONS"] {
        let answer = ask(&gateway, method, &[SESSION, EVIL, CROSS_SITE]).await;
        assert_eq!(answer.status, 200, "{method}");
    }
    for method in UNSAFE {
        for fields in [
            &[EVIL, CROSS_SITE][..],
            &[EVIL, CROSS_SITE, ("Cookie", "theme=dark; mysession=a")],
            &[EVIL, CROSS_SITE, ("Authorization", "Bearer a.b.c")],
            // A program.
            &[SESSION],
            &[SESSION, OWN],
            &[SESSION, OWN, ("Sec-Fetch-Site", "same-origin")],
            &[SESSION, ("Origin", "HTTP://Gate:8088")],
            &[SESSION, ("Sec-Fetch-Site", "same-origin")],
            // Typed by the customer, or from a bookmark.
            &[SESSION, ("Sec-Fetch-Site", "none")],
            // Behind a proxy that ends TLS and that nobody told the gateway of.
            &[SESSION, ("Origin", "https://gate:8088"), ("Sec-Fetch-Site", "same-origin")],
        ] {
            assert_eq!(ask(&gateway, method, fields).await.status, 200, "{method} {fields:?}");
        }
    }
}

#[tokio::test]
async fn an_origin_that_is_listed_is_not_foreign() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::start(with(&service, &["https://shop.example", "null", "app://shop"])).await;
    let same_site = ("Sec-Fetch-Site", "same-site");
    for (fields, status) in [
        (&[("Origin", "https://shop.example"), CROSS_SITE][..], 200),
        (&[("Origin", "https://Shop.example:443"), same_site], 200),
        (&[("Origin", "app://shop"), CROSS_SITE], 200),
        (&[("Origin", "http://shop.example"), same_site], 403),
        // Any site can have it, whatever the list says.
        (&[("Origin", "null"), CROSS_SITE], 403),
        (&[EVIL, CROSS_SITE], 403),
        // No origin to find in the list.
        (&[same_site], 403),
    ] {
        let fields: Vec<_> = [SESSION].into_iter().chain(fields.to_vec()).collect();
        assert_eq!(ask(&gateway, "POST", &fields).await.status, status, "{fields:?}");
    }
}

#[tokio::test]
async fn the_own_origin_is_the_one_that_a_trusted_proxy_forwards() {
    let service = Service::saying("ok").await;
    let mut trusting = with(&service, &["*"]);
    trusting.forwarded.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let trusting = Gateway::start(trusting).await;
    let strict = Gateway::start(with(&service, &["*"])).await;
    let own = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "shop.example")];
    for (origin, gateway, status) in [
        ("https://shop.example", &trusting, 200),
        ("https://shop.example", &strict, 403),
        ("http://gate:8088", &trusting, 403),
        ("https://evil.example", &trusting, 403),
    ] {
        let fields = [&[SESSION, ("Origin", origin)][..], &own].concat();
        assert_eq!(ask(gateway, "POST", &fields).await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn cookies_pass_unchanged_both_ways() {
    let set = [
        "session=a.b.c; Path=/; HttpOnly; SameSite=Lax",
        "__Secure-refresh=r; Path=/users; Secure",
        "a=\"1, 2\"",
    ];
    let fields: String = set.iter().map(|cookie| format!("Set-Cookie: {cookie}\r\n")).collect();
    let answer: &'static str =
        Box::leak(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok").into_boxed_str());
    let service = Service::start(move |_| Reply::text(answer)).await;
    let gateway = Gateway::start(with(&service, &["*"])).await;
    let sent = ["session=a.b.c;  theme=\"da rk\"", "session=other", "__Host-session=x; =; ;"];
    for method in ["GET", "POST"] {
        let fields: Vec<_> = sent.iter().map(|cookie| ("Cookie", *cookie)).collect();
        let answer = ask(&gateway, method, &fields).await;
        assert_eq!((answer.status, answer.headers("set-cookie")), (200, set.to_vec()));
        assert_eq!(service.last().headers("cookie"), sent);
    }
}

//! Which requests reach a service, and which must not.
#![allow(clippy::unwrap_used)]

mod support;

use gateway::{Application, settings::RouteSettings};
use support::{Client, Gateway, Reply, Service, get, route, settings};

#[tokio::test]
async fn the_first_route_that_matches_wins() {
    let (one, all) = (Service::saying("one").await, Service::saying("all").await);
    let gateway = Gateway::start(settings(&[
        RouteSettings { methods: vec!["GET".to_owned()], ..route("one", "/x/1", one.addr) },
        route("all", "/x/**", all.addr),
    ]))
    .await;
    for (path, body) in [("/x/1", "one"), ("/x", "all"), ("/x/2?y=/x/1", "all"), ("/x/1/2", "all")] {
        let answer = get(gateway.addr, path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{path}");
    }
    assert_eq!(all.last().request_line(), "GET /x/1/2 HTTP/1.1");
    get(gateway.addr, "/xy").await.is_problem(404);
}

#[tokio::test]
async fn the_root_links_to_what_the_routes_lead_to() {
    let service = Service::saying("").await;
    let gateway = Gateway::start(settings(&[
        route("one", "/x/1", service.addr),
        route("x", "/x/**", service.addr),
        route("deep", "/y/z/**", service.addr),
        route("any", "/{name}/**", service.addr),
        route("y", "/y/**", service.addr),
    ]))
    .await;
    let mut client = Client::connect(gateway.addr).await;
    let answer = client.ask("GET / HTTP/1.1\r\nHost: shop:8088\r\n\r\n").await;
    assert_eq!(answer.header("content-type"), Some("application/hal+json"));
    let links: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        links,
        serde_json::json!({"_links": {
            "x": {"href": "http://shop:8088/x{?page,size,sort}", "templated": true},
            "y": {"href": "http://shop:8088/y{?page,size,sort}", "templated": true},
            "self": {"href": "http://shop:8088/"},
        }})
    );
    let answer = client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    answer.is_problem(405);
    let answer = client.ask("OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
    assert!(service.seen().is_empty());

    let everything = Gateway::start(settings(&[route("everything", "/**", service.addr)])).await;
    assert_eq!(get(everything.addr, "/").await.status, 200);
    assert_eq!(service.seen().len(), 1, "a route that leads there goes first");
}

/// The route table that the gateway comes with.
#[tokio::test]
async fn nobody_pays_from_outside() {
    let told = "HTTP/1.1 200 OK\r\nAllow: GET, HEAD, OPTIONS, POST\r\nContent-Length: 0\r\n\r\n";
    let service = Service::start(move |_| Reply::text(told)).await;
    let mut settings = gateway::Settings::compiled_in(None).unwrap();
    settings.server.port = 0;
    settings.url.insert("payment".to_owned(), format!("http://{}", service.addr));
    let gateway = Gateway::start(settings).await;
    for path in ["/payments", "/payments/", "/payments/1", "/%70ayments"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}");
            let answer = Client::connect(gateway.addr).await.ask(&request).await;
            answer.is_problem(405);
            assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
        }
    }
    assert!(service.seen().is_empty());
    for method in ["GET", "OPTIONS"] {
        let answer = Client::connect(gateway.addr)
            .await
            .ask(&format!("{method} /payments HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
            .await;
        assert_eq!((answer.status, answer.header("allow")), (200, Some("GET, HEAD, OPTIONS")), "{method}");
    }
}

#[tokio::test]
async fn a_route_opens_its_methods_and_no_others() {
    let service = Service::saying("").await;
    let gateway = Gateway::start(settings(&[
        RouteSettings {
            methods: vec!["GET".to_owned(), "POST".to_owned()],
            ..route("x", "/x/**", service.addr)
        },
        route("y", "/y", service.addr),
    ]))
    .await;
    let mut client = Client::connect(gateway.addr).await;
    for method in ["DELETE", "PUT", "OPTIONS", "FOO"] {
        let answer = client.ask(&format!("{method} /x HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        answer.is_problem(405);
        assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
    }
    for (method, path) in [("TRACE", "/y"), ("CONNECT", "y:80")] {
        let answer = client.ask(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        answer.is_problem(405);
        assert!(answer.header("allow").is_some());
    }
    assert!(service.seen().is_empty());
    let mut client = Client::connect(gateway.addr).await;
    let answer = client.ask("FOO /y HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn ambiguous_paths_reach_no_service() {
    let service = Service::saying("").await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    for path in [
        "/x/../actuator/loggers",
        "/x/..",
        "/x/./1",
        "//x",
        "/x//1",
        "/x/%2e%2e/actuator",
        "/x/%2E./actuator",
        "/x%2f..%2factuator",
        "/x/..%2factuator",
        "/x/..%5cactuator",
        "/x/..\\actuator",
        "/x\\..\\actuator",
        "/x/..;/actuator",
        "/x;y/1",
        "/x/%3b",
        "/x/%252e%252e/actuator",
        "/x/%00",
        "/x/%0d%0aX:1",
        "/x/%",
        "/x/%zz",
        "http://a/x/../actuator",
    ] {
        let answer = client.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        answer.is_problem(400);
    }
    assert!(service.seen().is_empty());
}

#[tokio::test]
async fn no_route_leads_to_an_actuator() {
    let service = Service::saying("secret").await;
    let gateway = Gateway::start(settings(&[route("everything", "/**", service.addr)])).await;
    assert_eq!(get(gateway.addr, "/anything").await.body, "secret");
    for path in [
        "/actuator",
        "/actuator/",
        "/actuator/health",
        "/actuator/nothing",
        "/%61ctuator/loggers",
        "/%61%63tuator/env",
        "/Actuator/health",
        "/ACTUATOR",
        "http://a/actuator/health",
    ] {
        let mut client = Client::connect(gateway.addr).await;
        let answer = client.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(!answer.body.contains("secret"), "{path}");
    }
    assert_eq!(service.seen().len(), 1);
}

#[tokio::test]
async fn absolute_targets_and_old_clients_are_understood() {
    let service = Service::saying("").await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    let answer = client.ask("GET http://shop:81/x/1?q HTTP/1.1\r\nHost: other\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    let seen = service.last();
    assert_eq!(seen.request_line(), "GET /x/1?q HTTP/1.1");
    assert_eq!(seen.header("host"), Some(service.addr.to_string().as_str()));
    assert_eq!(seen.header("x-forwarded-host"), Some("shop:81"));

    let answer = client.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("allow").is_some());
    client.ask("GET https://shop/x HTTP/1.1\r\nHost: a\r\n\r\n").await.is_problem(400);

    let mut old = Client::connect(gateway.addr).await;
    let answer = old.ask("GET /x HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    assert!(old.is_closed().await);
    assert_eq!(service.last().request_line(), "GET /x HTTP/1.1");
}

#[tokio::test]
async fn settings_are_checked_in_one_line() {
    type Change = fn(&mut gateway::Settings);
    let changes: [(&str, Change); 14] = [
        ("routes[0].path: must begin with /", |s| s.routes[0].path = "x".to_owned()),
        ("routes[0].uri: either uri or uris must be set", |s| s.routes[0].uri = None),
        ("routes[0].uri: \"nobody\" is neither", |s| s.routes[0].uri = Some("nobody".to_owned())),
        ("routes[0].uri: has the scheme https", |s| s.routes[0].uri = Some("https://a".to_owned())),
        ("routes[0].uri: must be http://host:port", |s| s.routes[0].uri = Some("http://a/b".to_owned())),
        ("url.payment: is no URL", |s| {
            s.routes[0].uri = Some("payment".to_owned());
            s.url.insert("payment".to_owned(), "http://a,:".to_owned());
        }),
        ("routes[0].methods: \"TRACE\" is no method", |s| s.routes[0].methods = vec!["TRACE".to_owned()]),
        ("routes[0].methods: get must be in upper case", |s| s.routes[0].methods = vec!["get".to_owned()]),
        ("routes[1].id: \"x\" is there twice", |s| s.routes.push(s.routes[0].clone())),
        ("routes[0].id: must not be empty", |s| s.routes[0].id.clear()),
        ("cors.allowed_origins: \"shop.example\" is no origin", |s| {
            s.cors.allowed_origins = vec!["shop.example".to_owned()];
        }),
        ("management.exposed: \"loggers\" is none of", |s| s.management.exposed = vec!["loggers".to_owned()]),
        ("management.allowed_hosts: \"*\" is no name", |s| s.management.allowed_hosts = vec!["*".to_owned()]),
        ("server.header_limit_bytes: 1 is not between", |s| s.server.header_limit_bytes = 1),
    ];
    for (line, change) in changes {
        let mut settings = settings(&[route("x", "/x/**", "127.0.0.1:1".parse().unwrap())]);
        change(&mut settings);
        let error = settings.check().unwrap_err().to_string();
        assert!(error.starts_with(line) && !error.contains('\n'), "{line}: {error}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_prevents_the_start() {
    let service = Service::saying("").await;
    let mut taken = settings(&[]);
    taken.server.port = service.addr.port();
    let error = Application::build(taken).await.err().unwrap().to_string();
    assert!(error == format!("server.port: cannot listen on 127.0.0.1:{}", service.addr.port()), "{error}");
    let mut taken = settings(&[]);
    taken.management.port = service.addr.port();
    let error = Application::build(taken).await.err().unwrap().to_string();
    assert!(
        error == format!("management.port: cannot listen on 127.0.0.1:{}", service.addr.port()),
        "{error}"
    );

    let gateway = Gateway::start(settings(&[])).await;
    let mut second = settings(&[]);
    second.server.port = gateway.addr.port();
    assert!(Application::build(second.clone()).await.is_err());
    second.server.reuse_port = true;
    assert!(Application::build(second).await.is_ok());
}

#[tokio::test]
async fn profiles_are_in_order() {
    for profile in [None, Some("docker".to_owned())] {
        gateway::Settings::compiled_in(profile).unwrap();
    }
}

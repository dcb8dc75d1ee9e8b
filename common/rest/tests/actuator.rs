//! What operators see: the actuator.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use http_common::management::DiskSpaceSettings;
use http_common::{
    Actuator, ActuatorEndpoint, ActuatorRequest, Breaker, BreakerSnapshot, BreakerUpdate, DiskSpace, Health,
    HealthCheck, Json, Lifecycle, ManagementSettings, Problem,
};
use rest::{Server, ServerSettings};
use serde_json::json;
use support::*;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

struct Switch(&'static str, AtomicBool);

#[async_trait]
impl HealthCheck for Switch {
    fn name(&self) -> &'static str {
        self.0
    }

    async fn check(&self) -> Health {
        if self.1.load(Ordering::Relaxed) {
            Health::up().with("database", "SQLite")
        } else {
            Health::down("connection refused")
        }
    }
}

/// Waits for an operator.
struct Stopped(AtomicBool);

#[async_trait]
impl HealthCheck for Stopped {
    fn name(&self) -> &'static str {
        "consumer"
    }

    async fn check(&self) -> Health {
        self.stopped().map_or_else(Health::up, Health::down)
    }

    fn stopped(&self) -> Option<String> {
        self.0.load(Ordering::Relaxed).then(|| "the log was replaced".to_owned())
    }
}

struct Hangs;

#[async_trait]
impl HealthCheck for Hangs {
    fn name(&self) -> &'static str {
        "kafka"
    }

    async fn check(&self) -> Health {
        std::future::pending().await
    }
}

#[tokio::test]
async fn health_is_that_of_the_worst_component() {
    let db = Arc::new(Switch("db", AtomicBool::new(true)));
    let check = Arc::clone(&db);
    let server = start_with(settings(), move |actuator| actuator.health(check)).await;
    let up = server.get("/actuator/health").await;
    assert_eq!(up.status, 200);
    assert_eq!(
        up.json(),
        json!({
            "status": "UP",
            "components": {
                "db": {"status": "UP", "details": {"database": "SQLite"}},
                "livenessState": {"status": "UP"},
                "readinessState": {"status": "UP"},
            },
            "groups": ["liveness", "readiness"],
        })
    );
    db.1.store(false, Ordering::Relaxed);
    let down = server.get("/actuator/health").await;
    assert_eq!((down.status, &down.json()["status"]), (503, &json!("DOWN")));
    assert_eq!(down.header("content-type"), Some("application/json"));
    assert_eq!(server.get("/actuator/health/db").await.status, 503);
    // The process itself is well.
    let alive = server.get("/actuator/health/liveness").await;
    assert_eq!((alive.status, alive.body.as_str()), (200, r#"{"status":"UP"}"#));
    assert_eq!(server.get("/actuator/health/readiness").await.status, 200);
}

#[tokio::test]
async fn who_waits_for_an_operator_is_not_ready_and_says_why() {
    let consumer = Arc::new(Stopped(AtomicBool::new(true)));
    let check = consumer.clone();
    let server = start_with(settings(), move |actuator| actuator.health(check)).await;
    let readiness = server.get("/actuator/health/readiness").await;
    assert_eq!(readiness.status, 503);
    assert_eq!(readiness.json(), json!({"status": "DOWN", "details": {"error": "the log was replaced"}}));
    assert_eq!(server.get("/actuator/health").await.json()["components"]["readinessState"]["status"], "DOWN");
    assert_eq!(server.get("/actuator/health/liveness").await.status, 200);
    consumer.0.store(false, Ordering::Relaxed);
    assert_eq!(server.get("/actuator/health/readiness").await.status, 200);
}

#[tokio::test]
async fn disk_space_is_shown_as_in_spring_boot() {
    let directory = std::env::temp_dir();
    let component = async |path: &str, threshold| {
        let settings = DiskSpaceSettings { path: path.into(), threshold };
        let check = DiskSpace::new(&settings, [directory.clone()]);
        let server = start_with(self::settings(), move |actuator| actuator.health(Arc::new(check))).await;
        let whole = server.get("/actuator/health").await;
        assert_eq!(server.get("/actuator/health/readiness").await.status, 200);
        (whole.status, whole.json()["components"]["diskSpace"].clone())
    };
    let (status, up) = component("", 1).await;
    assert_eq!((status, &up["status"]), (200, &json!("UP")));
    let details = up["details"].as_object().unwrap();
    let names: Vec<_> = details.keys().map(String::as_str).collect();
    assert_eq!(names, ["exists", "free", "path", "threshold", "total"]);
    assert_eq!(details["path"], json!(directory.display().to_string()));
    assert!(details["free"].as_u64().unwrap() <= details["total"].as_u64().unwrap());

    let (status, full) = component("", u64::MAX).await;
    assert_eq!((status, &full["status"], &full["details"]["exists"]), (503, &json!("DOWN"), &json!(true)));
    let (status, gone) = component("/no/such/directory", 1).await;
    assert_eq!((status, &gone["status"], &gone["details"]["exists"]), (503, &json!("DOWN"), &json!(false)));
    assert_eq!(gone["details"]["free"], 0);
}

#[tokio::test]
async fn checks_run_together_and_are_given_up_in_time() {
    let server = start_with(settings(), |actuator| {
        actuator
            .health(Arc::new(Hangs))
            .health(Arc::new(Hangs))
            .health(Arc::new(Hangs))
            .health_timeout(Duration::from_millis(200))
    })
    .await;
    let asked = Instant::now();
    let down = server.get("/actuator/health").await;
    assert!(asked.elapsed() < Duration::from_millis(550), "{:?}", asked.elapsed());
    assert_eq!(down.json()["components"]["kafka"]["status"], "DOWN");
    assert_eq!(server.get("/actuator/health/liveness").await.status, 200);
}

#[tokio::test]
async fn readiness_follows_the_lifecycle() {
    let lifecycle = Lifecycle::new();
    let actuator = Actuator::new("books", lifecycle.clone());
    let ask = async |path: &str| {
        let request = ActuatorRequest {
            method: "GET",
            path,
            body: b"",
            peer: None,
            host: "",
            origin: "",
            header: &|_| None,
        };
        actuator.answer(&request).await
    };
    let readiness = async || ask("/actuator/health/readiness").await;
    let before = readiness().await;
    assert_eq!((before.status, before.body.as_slice()), (503, &br#"{"status":"OUT_OF_SERVICE"}"#[..]));
    lifecycle.started();
    assert_eq!(readiness().await.status, 200);
    lifecycle.stopping();
    assert_eq!(readiness().await.status, 503);
    assert_eq!(ask("/actuator/health/liveness").await.status, 200);
}

#[tokio::test]
async fn the_actuator_links_to_its_parts() {
    let server =
        start_with(settings(), |actuator| actuator.endpoint("gateway/routes", Arc::new(Notes::default())))
            .await;
    let links = server.get("/actuator").await.json();
    for relation in ["self", "health", "info", "prometheus", "loggers", "gateway-routes"] {
        let href = links["_links"][relation]["href"].as_str().unwrap();
        let path = href.strip_prefix("http://shop.test").unwrap();
        assert_eq!(server.get(path).await.status, 200, "{relation}");
    }
}

#[tokio::test]
async fn info_names_the_build() {
    let server = start().await;
    let info = server.get("/actuator/info").await.json();
    assert_eq!(info["build"]["name"], "books");
    assert_eq!(info["build"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(info["rustc"]["version"].as_str().unwrap().starts_with("rustc "));
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let server = start().await;
    server.shelf.add(1, "fold");
    server.get("/books/1").await;
    server.get("/books/77").await;
    server.get("/books?size=1").await;
    server.get("/wp-admin.php").await;
    server.get("/panic").await;
    server.send("BREW", "/books", "", "").await;
    let metrics = server.get("/actuator/prometheus").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain;version=0.0.4;charset=utf-8"));
    for (method, uri, status, outcome) in [
        ("GET", "/books/{id}", "200", "SUCCESS"),
        ("GET", "/books/{id}", "404", "CLIENT_ERROR"),
        ("GET", "/books", "200", "SUCCESS"),
        ("GET", "NOT_FOUND", "404", "CLIENT_ERROR"),
        ("OTHER", "/books", "405", "CLIENT_ERROR"),
    ] {
        let labels = [
            "application=\"books\"".to_owned(),
            format!("method=\"{method}\""),
            format!("uri=\"{uri}\""),
            format!("status=\"{status}\""),
            format!("outcome=\"{outcome}\""),
        ];
        assert!(
            metrics.body.lines().any(|line| {
                line.starts_with("http_server_requests_seconds_count{")
                    && labels.iter().all(|label| line.contains(label))
            }),
            "{method} {uri} {status} in\n{}",
            metrics.body
        );
    }
    assert!(metrics.body.contains("http_server_requests_seconds_bucket{"));
    assert!(!metrics.body.contains("wp-admin"));
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

#[async_trait]
impl ActuatorEndpoint for Notes {
    async fn get(&self, rest: &str) -> Option<Json> {
        match rest {
            "" => Some(json!(*self.0.lock().unwrap())),
            _ => None,
        }
    }

    async fn post(&self, rest: &str, body: &[u8]) -> Result<Option<Json>, Problem> {
        if rest == "refused" {
            return Err(Problem::conflict("no"));
        }
        self.0.lock().unwrap().push(String::from_utf8_lossy(body).into_owned());
        Ok(None)
    }
}

#[tokio::test]
async fn parts_add_endpoints() {
    let server =
        start_with(settings(), |actuator| actuator.endpoint("deadletters", Arc::new(Notes::default()))).await;
    assert_eq!(server.post("/actuator/deadletters/7", "retry").await.status, 204);
    assert_eq!(server.get("/actuator/deadletters").await.body, r#"["retry"]"#);
    server.get("/actuator/deadletters/7").await.assert_problem(404);
    server.get("/actuator/deadlettersx").await.assert_problem(404);
    let refused = server.post("/actuator/deadletters/refused", "").await.assert_problem(409);
    assert_eq!(refused["instance"], "/actuator/deadletters/refused");
    server.send("DELETE", "/actuator/deadletters", "", "").await.assert_problem(405);
}

struct PaymentBreaker(Mutex<&'static str>);

impl Breaker for PaymentBreaker {
    fn name(&self) -> &str {
        "payment"
    }

    fn snapshot(&self) -> BreakerSnapshot {
        BreakerSnapshot {
            state: *self.0.lock().unwrap(),
            failure_rate: 0.0,
            slow_call_rate: -1.0,
            failure_rate_threshold: 50.0,
            slow_call_rate_threshold: 100.0,
            buffered_calls: 0,
            failed_calls: 0,
            slow_calls: 0,
            slow_failed_calls: 0,
            not_permitted_calls: 0,
        }
    }

    fn update(&self, update: BreakerUpdate) {
        *self.0.lock().unwrap() = match update {
            BreakerUpdate::Close => "CLOSED",
            BreakerUpdate::ForceOpen => "FORCED_OPEN",
            BreakerUpdate::Disable => "DISABLED",
        };
    }
}

#[tokio::test]
async fn breakers_are_shown_and_forced() {
    let server =
        start_with(settings(), |actuator| actuator.breaker(Arc::new(PaymentBreaker(Mutex::new("CLOSED")))))
            .await;
    let shown = server.get("/actuator/circuitbreakers").await.json();
    assert_eq!(shown["circuitBreakers"]["payment"]["state"], "CLOSED");
    assert_eq!(shown["circuitBreakers"]["payment"]["failureRate"], "0.0%");
    let path = "/actuator/circuitbreakers/payment";
    assert_eq!(server.post(path, r#"{"updateState":"FORCE_OPEN"}"#).await.status, 200);
    assert_eq!(server.get(path).await.json()["state"], "FORCED_OPEN");
    server.post(path, r#"{"updateState":"OPEN_SESAME"}"#).await.assert_problem(400);
    server.post(path, "").await.assert_problem(400);
    server.post("/actuator/circuitbreakers/other", r#"{"updateState":"CLOSE"}"#).await.assert_problem(404);
}

#[tokio::test]
async fn a_log_level_that_is_none_is_refused() {
    let server = start().await;
    assert_eq!(server.get("/actuator/loggers").await.json()["levels"][0], "OFF");
    server.post("/actuator/loggers/sqlx", r#"{"configuredLevel":"LOUD"}"#).await.assert_problem(400);
    server.post("/actuator/loggers/sqlx", "x").await.assert_problem(400);
    server.post("/actuator/loggers", "{}").await.assert_problem(405);
}

const JSON: &str = "Content-Type: application/json\r\n";

/// serde fills a struct from an array as well, by position.
#[tokio::test]
async fn a_json_array_is_no_level_and_no_state() {
    let breaker = Arc::new(PaymentBreaker(Mutex::new("CLOSED")));
    let shown = Arc::clone(&breaker);
    let server = start_with(settings(), move |actuator| actuator.breaker(shown)).await;
    for body in ["", "{", "x", "[]", r#"["INFO"]"#, r#"{"configuredLevel":["INFO"]}"#, "null", "1"] {
        server.post("/actuator/loggers/sqlx", body).await.assert_problem(400);
    }
    for body in ["[]", r#"["FORCE_OPEN"]"#, r#"{"updateState":["FORCE_OPEN"]}"#] {
        server.post("/actuator/circuitbreakers/payment", body).await.assert_problem(400);
    }
    assert_eq!(*breaker.0.lock().unwrap(), "CLOSED");
}

/// What fetch sends with `mode: "no-cors"`, and a form: browsers do not ask before.
#[tokio::test]
async fn a_page_elsewhere_changes_nothing() {
    let breaker = Arc::new(PaymentBreaker(Mutex::new("CLOSED")));
    let shown = Arc::clone(&breaker);
    let server = start_with(settings(), move |actuator| actuator.breaker(shown)).await;
    let path = "/actuator/circuitbreakers/payment";
    let open = r#"{"updateState":"FORCE_OPEN"}"#;
    for (headers, status) in [
        ("", 415),
        ("Content-Type: text/plain;charset=UTF-8\r\n", 415),
        ("Content-Type: application/x-www-form-urlencoded\r\n", 415),
        ("Content-Type: text/plain\r\nOrigin: https://evil.example\r\n", 403),
        ("Content-Type: application/json\r\nOrigin: https://evil.example\r\n", 403),
        ("Content-Type: application/json\r\nOrigin: null\r\n", 403),
        ("Content-Type: application/json\r\nSec-Fetch-Site: cross-site\r\n", 403),
    ] {
        server.send("POST", path, headers, open).await.assert_problem(status);
        assert_eq!(*breaker.0.lock().unwrap(), "CLOSED", "{headers}");
    }
    let own = "Content-Type: application/json\r\nOrigin: http://shop.test\r\n";
    assert_eq!(server.send("POST", path, own, open).await.status, 200);
    assert_eq!(*breaker.0.lock().unwrap(), "FORCED_OPEN");
    // Spring Boot Admin's.
    let admin = "Content-Type: application/vnd.spring-boot.actuator.v2+json\r\n";
    assert_eq!(server.send("POST", path, admin, r#"{"updateState":"CLOSE"}"#).await.status, 200);
}

/// Through a proxy, under a name that somebody else resolves to us, or from another machine: health and info.
#[tokio::test]
async fn a_stranger_sees_whether_it_is_well_and_which_build_it_is() {
    let server = start_with(settings(), |actuator| {
        actuator
            .health(Arc::new(Switch("db", AtomicBool::new(false))))
            .breaker(Arc::new(PaymentBreaker(Mutex::new("CLOSED"))))
            .endpoint("gateway/routes", Arc::new(Notes::default()))
    })
    .await;
    let as_stranger = async |method: &str, path: &str, headers: &str, body: &str| {
        let length = body.len();
        let evil = format!(
            "{method} {path} HTTP/1.1\r\nHost: rebind.evil.example\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let proxied = request(method, path, &format!("X-Forwarded-For: 203.0.113.9\r\n{headers}"), body);
        let (evil, proxied) = (server.raw(evil).await, server.raw(proxied).await);
        assert_eq!((evil.status, &evil.body), (proxied.status, &proxied.body), "{method} {path}");
        evil
    };
    for path in [
        "/actuator/loggers",
        "/actuator/loggers/sqlx",
        "/actuator/prometheus",
        "/actuator/circuitbreakers",
        "/actuator/gateway/routes",
        "/actuator/health/db",
        "/actuator/nothing",
    ] {
        as_stranger("GET", path, "", "").await.assert_problem(404);
    }
    as_stranger("POST", "/actuator/loggers/sqlx", JSON, r#"{"configuredLevel":"TRACE"}"#)
        .await
        .assert_problem(404);
    as_stranger("POST", "/actuator/circuitbreakers/payment", JSON, r#"{"updateState":"FORCE_OPEN"}"#)
        .await
        .assert_problem(404);
    // Why it is not well names what is behind.
    let health = as_stranger("GET", "/actuator/health", "", "").await;
    assert_eq!(health.status, 503);
    assert_eq!(health.json(), json!({"status": "DOWN", "groups": ["liveness", "readiness"]}));
    assert_eq!(as_stranger("GET", "/actuator/health/readiness", "", "").await.status, 200);
    assert_eq!(as_stranger("GET", "/actuator/info", "", "").await.status, 200);
    let evil = "GET /actuator HTTP/1.1\r\nHost: rebind.evil.example\r\n\r\n";
    let links = server.raw(evil).await.json();
    let mut relations: Vec<&String> = links["_links"].as_object().unwrap().keys().collect();
    relations.sort();
    assert_eq!(relations, ["health", "health-path", "info", "self"]);
}

/// With a port of its own for the management, nobody sees more at the server's, and it answers when clients have taken all
/// connections there.
#[tokio::test]
async fn the_management_port_has_connections_of_its_own() {
    let lifecycle = Lifecycle::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let management = ManagementSettings { port: free, ..ManagementSettings::default() };
    let settings = ServerSettings { max_connections: 1, ..settings() };
    let actuator = Actuator::new("books", lifecycle.clone());
    let managed =
        Server::bind_management(&management, settings.port, &actuator, &lifecycle).unwrap().unwrap();
    let server =
        Server::bind(&settings, actuator.at_server(&management, settings.port), lifecycle.clone(), |_| {})
            .unwrap();
    let (address, own) = (server.addr(), managed.addr());
    tokio::spawn(server.run(std::future::pending()));
    tokio::spawn(managed.run(std::future::pending()));
    lifecycle.started();

    let ask = async |stream: &mut TcpStream, path: &str, host: &str| {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
        read_answer(stream, false).await
    };
    let mut client = TcpStream::connect(address).await.unwrap();
    ask(&mut client, "/actuator/loggers", "localhost").await.assert_problem(404);
    assert_eq!(ask(&mut client, "/actuator/health/readiness", "localhost").await.status, 200);
    // `client` holds the only connection that there may be.
    for host in ["localhost", "10.1.2.3:9080", "payment:9080"] {
        let mut operator = TcpStream::connect(own).await.unwrap();
        assert_eq!(ask(&mut operator, "/actuator/health/liveness", host).await.status, 200);
        assert_eq!(ask(&mut operator, "/actuator/loggers", host).await.status, 200, "{host}");
    }
    let mut rebound = TcpStream::connect(own).await.unwrap();
    ask(&mut rebound, "/actuator/loggers", "rebind.evil.example:9080").await.assert_problem(404);
    ask(&mut rebound, "/books", "localhost").await.assert_problem(404);
}

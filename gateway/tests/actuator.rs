//! The gateway's own actuator: the port that strangers reach shows them that it is well, and nothing else.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Answer, Client, Gateway, Service, get, route, settings};

const JSON: &str = "Content-Type: application/json\r\n";
const TRACE: &str = r#"{"configuredLevel":"TRACE"}"#;

async fn ask(addr: std::net::SocketAddr, request: &str, fields: &str, body: &str) -> Answer {
    let mut client = Client::connect(addr).await;
    client.ask(&format!("{request} HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())).await
}

#[tokio::test]
async fn the_gateway_has_an_actuator_of_its_own() {
    let service = Service::saying("").await;
    let gateway = Gateway::before(&service).await;
    let health = get(gateway.addr, "/actuator/health").await;
    assert_eq!(health.status, 200, "{health:?}");
    assert!(health.body.contains("\"UP\""));
    let routes: serde_json::Value =
        serde_json::from_str(&get(gateway.addr, "/actuator/gateway/routes").await.body).unwrap();
    assert_eq!(routes[0]["route_id"], "x");
    assert_eq!(routes[0]["uri"], format!("http://{}", service.addr));
    let one: serde_json::Value =
        serde_json::from_str(&get(gateway.addr, "/actuator/gateway/routes/x").await.body).unwrap();
    assert_eq!(one, routes[0]);
    get(gateway.addr, "/actuator/gateway/routes/y").await.is_problem(404);

    get(gateway.addr, "/x/1").await;
    get(gateway.addr, "/nowhere/1").await;
    let metrics = get(gateway.addr, "/actuator/prometheus").await.body;
    for series in [
        r#"http_server_requests_seconds_count{application="gateway",method="GET",uri="/x/**",status="200",outcome="SUCCESS"}"#,
        r#"http_server_requests_seconds_count{application="gateway",method="GET",uri="UNKNOWN",status="404",outcome="CLIENT_ERROR"}"#,
        r#"http_client_requests_seconds_count{application="gateway",method="GET",uri="/x/**",status="200",outcome="SUCCESS",client_name="x"}"#,
    ] {
        assert!(metrics.contains(series), "{series} in\n{metrics}");
    }
}

/// spring-cloud-gateway#153: the public port answered /actuator, writes too.
#[tokio::test]
async fn strangers_see_health_alone() {
    let service = Service::saying("").await;
    let gateway = Gateway::before(&service).await;
    for stranger in [
        "Host: shop.example\r\n",
        "Host: localhost\r\nX-Forwarded-For: 203.0.113.9\r\n",
        "Host: localhost\r\nForwarded: for=203.0.113.9\r\n",
        "Host: localhost\r\nVia: 1.1 proxy\r\n",
        "Host: rebind.evil.example:8088\r\n",
    ] {
        for path in [
            "/actuator/gateway/routes",
            "/actuator/prometheus",
            "/actuator/loggers",
            "/actuator/info",
            "/actuator/health/livenessState",
            "/Actuator/loggers",
            "/%61ctuator/loggers",
        ] {
            ask(gateway.addr, &format!("GET {path}"), stranger, "").await.is_problem(404);
        }
        let written =
            ask(gateway.addr, "POST /actuator/loggers/x", &format!("{stranger}{JSON}"), TRACE).await;
        written.is_problem(404);
        let health = ask(gateway.addr, "GET /actuator/health", stranger, "").await;
        let health: serde_json::Value = serde_json::from_str(&health.body).unwrap();
        assert_eq!(health, serde_json::json!({"status": "UP", "groups": ["liveness", "readiness"]}));
        let readiness = ask(gateway.addr, "GET /actuator/health/readiness", stranger, "").await;
        assert_eq!(readiness.status, 200);
        let links = ask(gateway.addr, "GET /actuator", stranger, "").await.body;
        assert!(links.contains("health") && !links.contains("loggers"), "{links}");
    }
    assert_eq!(get(gateway.addr, "/actuator/loggers").await.status, 200);
}

/// Even on a developer's machine, where it would be let in.
#[tokio::test]
async fn pages_elsewhere_write_nothing() {
    let service = Service::saying("").await;
    let gateway = Gateway::before(&service).await;
    for (fields, status) in [
        ("Content-Type: application/json\r\nOrigin: https://evil.example\r\n", 403),
        ("Content-Type: application/json\r\nOrigin: null\r\n", 403),
        ("Content-Type: application/json\r\nSec-Fetch-Site: cross-site\r\n", 403),
        ("Content-Type: text/plain;charset=UTF-8\r\nOrigin: https://evil.example\r\n", 403),
        ("Content-Type: text/plain\r\n", 415),
        ("", 415),
    ] {
        let fields = format!("Host: localhost\r\n{fields}");
        let answer = ask(gateway.addr, "POST /actuator/loggers/x", &fields, TRACE).await;
        answer.is_problem(status);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    // It came as far as the log, which tests have none of.
    let own = format!("Host: localhost\r\n{JSON}");
    ask(gateway.addr, "POST /actuator/loggers/x", &own, TRACE).await.is_problem(503);
    ask(gateway.addr, "POST /actuator/loggers/x", &own, r#"["TRACE"]"#).await.is_problem(400);
}

#[tokio::test]
async fn the_management_port_answers_when_all_connections_are_taken() {
    let service = Service::saying("").await;
    let mut separate = settings(&[route("x", "/x/**", service.addr)]);
    separate.server.max_connections = 1;
    separate.management.port =
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let application = gateway::Application::build(separate).await.unwrap();
    let (public, management) = (application.addr(), application.management_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let run = tokio::spawn(application.run(async { drop(stopped.await) }));

    let mut taken = Client::connect(public).await;
    let readiness = "GET /actuator/health/readiness HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(taken.ask(readiness).await.status, 200);
    // Whoever is on this machine sees no more of it here than others.
    taken.ask("GET /actuator/loggers HTTP/1.1\r\nHost: localhost\r\n\r\n").await.is_problem(404);
    for path in ["/actuator/health/liveness", "/actuator/prometheus", "/actuator/gateway/routes/x"] {
        let answer = ask(management, &format!("GET {path}"), "Host: 10.1.2.3:9080\r\n", "").await;
        assert_eq!(answer.status, 200, "{path}");
    }
    ask(management, "GET /actuator/loggers", "Host: evil.example\r\n", "").await.is_problem(404);
    for nowhere in ["GET /x", "GET /"] {
        ask(management, nowhere, "Host: localhost\r\n", "").await.is_problem(404);
    }

    drop((stop, taken));
    tokio::time::timeout(support::PATIENCE, run).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_management_port_that_is_taken_is_named() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut separate = settings(&[]);
    separate.management.port = other.local_addr().unwrap().port();
    let error = gateway::Application::build(separate).await.err().unwrap();
    assert!(error.to_string().starts_with("management.port: cannot listen on 127.0.0.1:"), "{error}");
}

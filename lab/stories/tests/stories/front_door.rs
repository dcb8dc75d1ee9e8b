//! The gateway, as WIRE.md section 3 has it: routes, CORS, limits, identity of requests.

use std::sync::Arc;

use harness::Service;
use serde_json::json;
use stories::customer::Customer;
use stories::http::{Answer, send};
use stories::setup::Setup;
use stories::system::{Plan, System};

const ORIGIN: &str = "https://shop.example";

pub(crate) async fn routes(system: Arc<System>) {
    let gateway = system.gateway();
    for service in Service::OF_RESERVATIONS {
        let collection = service.collection();
        let _ = gateway.get(&format!("/{collection}")).await.expect(200);
        let _ = gateway.get(&format!("/{collection}/search")).await.expect(200);
        gateway.get(&format!("/{collection}x")).await.problem(404);
    }
    let _ = gateway.get("/users/currentuser").await.expect(200);
    let _ = gateway.get("/.well-known/jwks.json").await.expect(200);
    for path in ["/nothing", "/.well-known/other", "/preReservationsX/1", "/prereservations", "/openapi.json"]
    {
        gateway.get(path).await.problem(404);
    }
    let root = gateway.get("/").await.expect(200).json();
    for service in Service::OF_RESERVATIONS {
        let collection = service.collection();
        let href = format!("{}/{collection}{{?page,size,sort}}", gateway.origin());
        assert_eq!(root["_links"][collection]["href"], href, "{root}");
    }
    let table = gateway.get("/actuator/gateway/routes").await.expect(200).json();
    let ids: Vec<&str> =
        table.as_array().unwrap().iter().filter_map(|route| route["route_id"].as_str()).collect();
    for id in ["payments", "preReservations", "receipts", "myReservations", "users", "jwks"] {
        assert!(ids.contains(&id), "{ids:?}");
    }
}

/// Nothing outside reaches the actuator of a service; the gateway's own knows no breaker and no dead letters.
pub(crate) async fn actuators_stay_inside(system: Arc<System>) {
    let gateway = system.gateway();
    for path in [
        "/actuator/circuitbreakers",
        "/actuator/deadletters",
        "/payments/actuator/health",
        "/preReservations/actuator",
        "/payments/..;/actuator/deadletters",
        "/payments/%2e%2e/actuator/deadletters",
        "/payments/..%2factuator/deadletters",
    ] {
        let raw = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = gateway.raw(raw.as_bytes()).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "404"].contains(&status), "{path}: {answer}");
        assert!(!answer.contains("deadLetters") && !answer.contains("circuitBreakers"), "{path}: {answer}");
    }
    // Of the gateway's own, who comes from elsewhere sees health alone; at a service, which build it is as well.
    for service in Service::ALL {
        let http = system.service(service);
        let stranger =
            |method, path: &str| http.request(method, path).header("X-Forwarded-For", "203.0.113.9");
        for path in ["/actuator/loggers", "/actuator/prometheus", "/actuator/gateway/routes"] {
            send(stranger("GET", path)).await.problem(404);
        }
        send(stranger("POST", "/actuator/loggers/x").json(&json!({"configuredLevel": "TRACE"})))
            .await
            .problem(404);
        let health = send(stranger("GET", "/actuator/health")).await.expect(200).json();
        assert_eq!(health, json!({"status": "UP", "groups": ["liveness", "readiness"]}));
        let info = send(stranger("GET", "/actuator/info")).await;
        assert_eq!(info.status, if service == Service::Gateway { 404 } else { 200 });
        // A page in an operator's browser, which gets to this machine.
        let page = http.request("POST", "/actuator/loggers/x").header("Origin", "https://evil.example");
        send(page.header("content-type", "text/plain").body(r#"{"configuredLevel":"TRACE"}"#))
            .await
            .problem(403);
    }
}

pub(crate) async fn cross_origin(system: Arc<System>) {
    let gateway = system.gateway();
    let plain = gateway.get("/payments").await.expect(200);
    assert_eq!(plain.header("access-control-allow-origin"), None, "no Origin, no CORS");

    let asked = gateway.request("GET", "/payments").header("Origin", ORIGIN);
    let answer = send(asked).await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-credentials"), None, "not to every origin");
    let exposed = answer.header("access-control-expose-headers").unwrap_or_default().to_lowercase();
    for name in ["x-min-version", "location", "retry-after", "x-request-id", "etag"] {
        assert!(exposed.split(", ").any(|header| header == name), "{name} is not in {exposed}");
    }

    // The gateway answers by itself: there is nothing at that path to ask.
    let preflight = gateway
        .request("OPTIONS", "/preReservations/1")
        .header("Origin", ORIGIN)
        .header("Access-Control-Request-Method", "DELETE")
        .header("Access-Control-Request-Headers", "idempotency-key, content-type");
    let answer = send(preflight).await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    let methods = answer.header("access-control-allow-methods").unwrap_or_default();
    assert!(methods.contains("DELETE") || methods == "*", "{methods}");
    let headers = answer.header("access-control-allow-headers").unwrap_or_default().to_lowercase();
    assert!(headers.contains("idempotency-key"), "{headers}");

    // A problem can be read across origins too.
    let answer = send(gateway.request("GET", "/preReservations/abc").header("Origin", ORIGIN)).await;
    answer.problem(400);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
}

pub(crate) async fn cross_origin_refused(setup: Setup) {
    let system = Plan::of(setup).with(Service::Gateway, "CORS_ALLOWED_ORIGINS", ORIGIN).start().await;
    let gateway = system.gateway();
    let _ = send(gateway.request("GET", "/payments").header("Origin", ORIGIN)).await.expect(200);
    for method in ["GET", "POST", "OPTIONS"] {
        let asked = gateway
            .request(method, "/payments")
            .header("Origin", "https://evil.example")
            .header("Access-Control-Request-Method", "GET");
        send(asked).await.problem(403);
    }
    let _ = gateway.get("/payments").await.expect(200);
}

pub(crate) async fn limits(system: Arc<System>) {
    let gateway = system.gateway();
    let huge = "x".repeat(2 * 1024 * 1024);
    let posted = gateway.request("POST", "/preReservations").header("content-type", "application/json");
    match stories::http::try_send(posted.body(huge)).await {
        Ok(answer) => drop(answer.problem(413)),
        // It is told before it has sent everything, and may notice the one or the other first.
        Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
    }
    let announced = format!(
        "POST /preReservations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{{",
        50 * 1024 * 1024
    );
    raw_problem(&gateway.raw(announced.as_bytes()).await, 413);
    let long = format!("GET /payments HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(40_000));
    raw_problem(&gateway.raw(long.as_bytes()).await, 431);
    // Between the services' limit and the gateway's.
    let posted = gateway.request("POST", "/preReservations").header("content-type", "application/json");
    let order = Customer::new().order_with("userAddress", "x".repeat(100_000));
    send(posted.body(order.to_string())).await.problem(413);
}

/// Identity: carried if it is there, made if it is not.
pub(crate) async fn request_ids(system: Arc<System>) {
    let gateway = system.gateway();
    let asked = gateway.request("GET", "/payments").header("X-Request-Id", "customer-4711");
    assert_eq!(send(asked).await.header("x-request-id"), Some("customer-4711"));
    let made = |answer: Answer| answer.header("x-request-id").map(str::to_owned).unwrap_or_default();
    let (one, other) = (made(gateway.get("/payments").await), made(gateway.get("/payments").await));
    assert!(!one.is_empty() && one != other, "{one} {other}");
    assert!(!made(gateway.get("/nothing").await).is_empty(), "the gateway's own answers have one");
}

/// Links lead back to where the client came from, whatever it claims.
pub(crate) async fn links_lead_back(system: Arc<System>) {
    let all = Customer::new().reserve_all(&system).await;
    let gateway = system.gateway();
    for path in [
        format!("/preReservations/{}", all.id),
        format!("/payments/{}", all.payment["id"]),
        format!("/receipts/{}", all.receipt["id"]),
        format!("/myReservations/{}", all.id),
    ] {
        let claimed = gateway
            .request("GET", &path)
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Forwarded-Proto", "gopher")
            .header("Forwarded", "host=evil.example;proto=gopher");
        for request in [gateway.request("GET", &path), claimed] {
            let item = send(request).await.expect(200).json();
            let href = item["_links"]["self"]["href"].as_str().unwrap().to_owned();
            assert_eq!(href, format!("{}{path}", gateway.origin()));
            assert_eq!(gateway.get(&href).await.expect(200).json()["id"], item["id"]);
        }
        let named = gateway.request("GET", &path).header("Host", "shop.example:8088");
        let item = send(named).await.expect(200).json();
        assert_eq!(item["_links"]["self"]["href"], format!("http://shop.example:8088{path}"));
    }
}

fn raw_problem(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.to_lowercase().contains("content-type: application/problem+json"), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let problem: serde_json::Value =
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert_eq!(problem["status"], status);
}

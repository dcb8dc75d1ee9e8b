//! WIRE.md section 2: the actuator of every service and of the gateway.

use std::sync::Arc;

use harness::Service;
use serde_json::json;
use stories::customer::Customer;
use stories::http::send;
use stories::setup::Setup;
use stories::system::System;

pub(crate) async fn actuators(system: Arc<System>) {
    Customer::new().reserve_all(&system).await;
    for service in Service::ALL {
        let http = system.service(service);
        let links = http.get("/actuator").await.expect(200).json()["_links"].clone();
        for link in ["self", "health", "info", "prometheus", "loggers"] {
            assert!(links[link]["href"].is_string(), "{link} is not in {links} of {service:?}");
        }
        for href in links.as_object().unwrap().values().filter(|link| link["templated"] != true) {
            let _ = http.get(href["href"].as_str().unwrap()).await.expect(200);
        }
        health(&system, service).await;
        let info = http.get("/actuator/info").await.expect(200).json();
        assert_eq!(info["build"]["name"], service.name(), "{info}");
        // A developer's build asks git nothing: each commit would compile everything again.
        assert!(info["git"].is_object() || info["build"]["profile"] != "release", "{info}");
        assert!(info.to_string().contains("rustc"), "{info}");
        loggers(&system, service).await;
        for path in ["/actuator/nothing", "/actuator/health/nothing"] {
            http.get(path).await.problem(404);
        }
        send(http.request("DELETE", "/actuator/health")).await.problem(405);
    }
    let breakers =
        system.service(Service::Prereservation).get("/actuator/circuitbreakers").await.expect(200).json();
    let payment = &breakers["circuitBreakers"]["payment"];
    assert_eq!(payment["state"], "CLOSED", "{breakers}");
    for count in ["bufferedCalls", "failedCalls", "notPermittedCalls"] {
        assert!(payment[count].is_u64(), "{count} of {payment}");
    }
    assert!(payment["failureRate"].as_str().is_some_and(|rate| rate.ends_with('%')), "{payment}");
    metrics(&system).await;
}

async fn health(system: &System, service: Service) {
    let http = system.service(service);
    let health = http.get("/actuator/health").await.expect(200).json();
    assert_eq!(health["status"], "UP", "{health}");
    assert_eq!(health["groups"], json!(["liveness", "readiness"]));
    if service != Service::Gateway {
        for component in ["db", "kafka"] {
            assert_eq!(health["components"][component]["status"], "UP", "{component}: {health}");
        }
    }
    for group in ["liveness", "readiness"] {
        let answer = http.get(&format!("/actuator/health/{group}")).await.expect(200).json();
        assert_eq!(answer["status"], "UP");
    }
}

async fn loggers(system: &System, service: Service) {
    let http = system.service(service);
    let loggers = http.get("/actuator/loggers").await.expect(200).json();
    assert!(loggers["levels"].is_array() && loggers["loggers"].is_object(), "{loggers}");
    let logger = "/actuator/loggers/stories::nobody";
    let _ = http.post(logger, &json!({"configuredLevel": "DEBUG"})).await.expect(204);
    assert_eq!(http.get(logger).await.expect(200).json()["configuredLevel"], "DEBUG");
    let _ = http.post(logger, &json!({"configuredLevel": null})).await.expect(204);
    http.post(logger, &json!({"configuredLevel": "LOUD"})).await.problem(400);
}

async fn metrics(system: &System) {
    for (service, wanted) in [
        (
            Service::Prereservation,
            &[
                "http_server_requests_seconds_count{",
                "http_server_requests_seconds_sum{",
                "http_server_requests_seconds_bucket{",
                "uri=\"/preReservations\"",
                "outcome=\"SUCCESS\"",
                "http_client_requests_seconds_",
                "resilience4j_circuitbreaker_state{",
                "resilience4j_circuitbreaker_calls_total{",
                "resilience4j_circuitbreaker_not_permitted_calls_total",
                "outbox_depth",
                "outbox_oldest_age_seconds",
                "process_cpu_seconds_total",
                "process_resident_memory_bytes",
                "process_open_fds",
            ][..],
        ),
        (
            Service::Payment,
            &["uri=\"/payments\"", "consumer_lag_records", "dead_letters", "outbox_depth"][..],
        ),
        (
            Service::Receipt,
            &["uri=\"/receipts/{id}\"", "consumer_lag_records", "dead_letters", "outbox_depth"][..],
        ),
        (
            Service::Myreservation,
            &["uri=\"/myReservations/{id}\"", "consumer_lag_records", "dead_letters"][..],
        ),
        (Service::Gateway, &["http_server_requests_seconds_count{"][..]),
    ] {
        harness::waiting::eventually(
            harness::waiting::PATIENCE,
            "gauges are set from time to time",
            async || {
                let answer = system.service(service).get("/actuator/prometheus").await.expect(200);
                assert_eq!(
                    answer.content_type().replace(' ', "").split(";charset").next(),
                    Some("text/plain;version=0.0.4")
                );
                let text = answer.text();
                let missing: Vec<&str> =
                    wanted.iter().filter(|name| !text.contains(**name)).copied().collect();
                harness::waiting::when(missing.is_empty(), format!("{missing:?} not told by {service:?}"))
            },
        )
        .await;
    }
}

/// From SIGTERM on readiness is off while requests are still answered, for as long as it was told.
pub(crate) async fn ready_no_more_after_sigterm(setup: Setup) {
    let system = stories::system::Plan::of(setup)
        .with(Service::Receipt, "SERVER_SHUTDOWN_DELAY_MS", 3000)
        .with(Service::Gateway, "SERVER_SHUTDOWN_DELAY_MS", 3000)
        .start()
        .await;
    for service in [Service::Receipt, Service::Gateway] {
        let http = system.service(service);
        system.process(service).signal(rustix::process::Signal::TERM);
        harness::waiting::eventually(harness::waiting::PATIENCE, "readiness goes off", async || {
            let answer = http.get("/actuator/health/readiness").await;
            harness::waiting::when(answer.status == 503, answer.status)
        })
        .await;
        let _ = http.get("/actuator/health/liveness").await.expect(200);
        let _ = http.get("/receipts").await.expect(if service == Service::Gateway { 502 } else { 200 });
        assert!(system.process(service).ended().await.success());
    }
}

//! What is on the topic: WIRE.md section 4, field by field; and what happens to records that are not ours.

use std::sync::Arc;

use harness::Service;
use harness::events::Seen;
use harness::waiting::{PATIENCE, eventually, when};
use serde_json::{Value, json};
use stories::customer::{Customer, MASKED_CARD, PRICE, millis, statuses, view};
use stories::http::send;
use stories::setup::Setup;
use stories::system::System;

const ALL: [&str; 6] = [
    "ReservationCreated",
    "PaymentCreated",
    "ReceiptCreated",
    "ReservationCancelled",
    "PaymentCancelled",
    "ReceiptCancelled",
];

pub(crate) async fn every_fact_as_agreed(system: Arc<System>) {
    let customer = Customer::new();
    let all = customer.reserve_all(&system).await;
    let _ = system.gateway().delete(&format!("/preReservations/{}", all.id)).await.expect(204);
    let facts = system.events().expect(all.id, &ALL).await;
    let fact = |name: &str| facts.iter().find(|fact| fact.event_type() == name).unwrap();

    let common = json!({"userId": customer.user_id, "productId": 1, "productName": "fold", "price": PRICE});
    let times = |item: &Value| (millis(&item["createdAt"]), millis(&item["modifiedAt"]));
    let (reserved_at, confirmed_at) = times(&all.reservation);
    let (paid_at, _) = times(&all.payment);
    let (issued_at, _) = times(&all.receipt);
    let reservation =
        json!({"id": all.id, "userAddress": "seoul", "cardNo": MASKED_CARD, "createdAt": reserved_at});
    let payment = json!({
        "id": all.payment["id"], "preReservationId": all.id, "cardNo": MASKED_CARD, "createdAt": paid_at,
    });
    let receipt = json!({
        "id": all.receipt["id"], "preReservationId": all.id, "paymentId": all.payment["id"],
        "expectedDeliveryAt": millis(&all.receipt["expectedDeliveryAt"]), "createdAt": issued_at,
    });
    for (name, source, of, more) in [
        (
            "ReservationCreated",
            "prereservation",
            &reservation,
            json!({"status": "reservated", "version": 1, "modifiedAt": confirmed_at}),
        ),
        ("PaymentCreated", "payment", &payment, json!({"status": "paid", "version": 1})),
        ("ReceiptCreated", "receipt", &receipt, json!({"status": "receipt_issued", "version": 1})),
        (
            "ReservationCancelled",
            "prereservation",
            &reservation,
            json!({"status": "reservation_cancelled", "version": 2, "reason": "cancelled_by_customer", "detail": null}),
        ),
        ("PaymentCancelled", "payment", &payment, json!({"status": "payment_cancelled", "version": 2})),
        ("ReceiptCancelled", "receipt", &receipt, json!({"status": "receipt_cancelled", "version": 2})),
    ] {
        let fact = fact(name);
        let mut wanted = json!({"eventType": name});
        for fields in [&common, of, &more] {
            merge(&mut wanted, fields);
        }
        // When it was told, and when the thing changed last: ours to see only roughly.
        for field in ["timestamp", "modifiedAt"] {
            let moment = fact.value[field].as_i64().unwrap_or_else(|| panic!("{field} of {}", fact.value));
            assert!(moment >= reserved_at, "{field} of {}", fact.value);
            if wanted.get(field).is_none() {
                wanted[field] = json!(moment);
            }
        }
        assert_eq!(fact.value, wanted, "{name}");
        assert!(fact.raw.starts_with(format!("{{\"eventType\":\"{name}\",\"timestamp\":").as_bytes()));
        headers_of(fact, name, source);
        assert_eq!(fact.key, Some(all.id.to_string()));
        assert_eq!(fact.partition, facts[0].partition, "all facts of one reservation are in one partition");
    }
    let mut ids: Vec<_> =
        facts.iter().filter_map(|fact| Some((fact.header("ce_source")?, fact.header("ce_id")?))).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), facts.len(), "ce_source and ce_id together name a record: {ids:?}");
}

fn headers_of(fact: &Seen, name: &str, source: &str) {
    for (header, value) in [
        ("type", name),
        ("contentType", "application/json"),
        ("ce_source", source),
        ("ce_type", name),
        ("ce_specversion", "1.0"),
    ] {
        let found = fact.header(header).unwrap_or_default();
        // The source is a URI reference that names the producer.
        let is_right = if header == "ce_source" { found.contains(value) } else { found == value };
        assert!(is_right, "{header} of {name} is {found:?}, not {value:?}");
    }
    assert!(fact.header("ce_id").is_some_and(|id| !id.is_empty()));
    let time = fact.header("ce_time").unwrap_or_default();
    assert!((millis(&json!(time)) - fact.value["timestamp"].as_i64().unwrap()).abs() < 1000, "{time}");
    let traceparent = fact.header("traceparent").unwrap_or_default();
    assert!(traceparent.len() == 55 && traceparent.starts_with("00-"), "{traceparent:?}");
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().unwrap() {
        into[name] = value.clone();
    }
}

/// One reservation is one trace, from the client's own on.
pub(crate) async fn one_trace(system: Arc<System>) {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let gateway = system.gateway();
    let ask = |method: &str, path: &str, span: &str| {
        gateway.request(method, path).header("traceparent", format!("00-{TRACE}-{span}-01"))
    };
    let order = Customer::new().order();
    let answer = send(ask("POST", "/preReservations", "00f067aa0ba902b7").json(&order)).await.expect(201);
    let all = stories::customer::Reservation::of(&answer).complete(&system).await;
    let path = format!("/preReservations/{}", all.id);
    let _ = send(ask("DELETE", &path, "00f067aa0ba902b8")).await.expect(204);
    for fact in system.events().expect(all.id, &ALL).await {
        let traceparent = fact.header("traceparent").unwrap_or_default();
        assert_eq!(traceparent.split('-').nth(1), Some(TRACE), "{}: {traceparent}", fact.event_type());
        assert!(!traceparent.contains("00f067aa0ba902b"), "each has a span of its own: {traceparent}");
    }
}

/// No JSON, no type, an unknown type, a known type with nonsense: set aside or skipped, and the flow goes on.
pub(crate) async fn records_that_are_not_ours(setup: Setup) {
    let system = System::start(setup).await;
    Customer::new().reserve_all(&system).await;
    let events = system.events();
    type Foreign<'a> = (Option<&'a str>, &'a [u8], &'a [(&'a str, &'a str)]);
    let foreign: [Foreign; 8] = [
        (None, b"hello", &[]),
        (Some("999999"), b"\xff\xfe\x00", &[]),
        (Some("999998"), b"{}", &[]),
        (Some("999997"), b"[1,2,3]", &[("type", "PaymentCreated")]),
        (Some("999996"), br#"{"eventType":"ReservationCancelled","id":"x"}"#, &[]),
        (
            Some("999995"),
            br#"{"eventType":"DeliveryStarted","id":1,"version":9}"#,
            &[("type", "DeliveryStarted")],
        ),
        (Some("999994"), br#"{"eventType":"PaymentCreated","id":-5,"preReservationId":0,"version":-1}"#, &[]),
        (None, b"", &[]),
    ];
    for (key, value, headers) in foreign {
        events.publish(key, value, headers).await;
    }
    // Everything after them is processed as if they were not there.
    let after = Customer::new().reserve_all(&system).await;
    let _ = system.gateway().delete(&format!("/preReservations/{}", after.id)).await.expect(204);
    let all = ["reservation_cancelled", "payment_cancelled", "receipt_cancelled"];
    view(&system, after.id, |view| statuses(view) == all).await;

    // A payment is no concern of payment's, so it does not look into those two.
    let everything: &[&str] = &["hello", "{}", "[1,2,3]"];
    for (service, count, read) in [
        (Service::Payment, 4, &everything[..2]),
        (Service::Receipt, 6, everything),
        (Service::Myreservation, 6, everything),
    ] {
        let letters = eventually(PATIENCE, &format!("{} sets them aside", service.name()), async || {
            let letters = system.service(service).get("/actuator/deadletters").await.expect(200).json();
            when(letters["deadLetters"].as_array().map_or(0, Vec::len) >= count, letters.clone())
                .map_err(|letters| letters.to_string())
        })
        .await;
        let payloads: Vec<&str> = letters["deadLetters"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|letter| letter["payload"].as_str())
            .collect();
        for payload in read {
            assert!(payloads.contains(payload), "{payload:?} is not among {payloads:?}");
        }
        assert!(!payloads.contains(&""), "a tombstone says nothing about a reservation, and is passed");
        assert!(
            !payloads.iter().any(|payload| payload.contains("DeliveryStarted")),
            "a newer fact is no error"
        );
        let health = system.service(service).get("/actuator/health").await.expect(200).json();
        assert_eq!(health["status"], "UP");
        // As it came, with headers that say why.
        let topic = system.events().dead_letters_of(service.name());
        let dead = eventually(PATIENCE, "the dead-letter topic", async || {
            let dead = topic.all().await;
            dead.iter().find(|record| record.raw == b"hello").cloned().ok_or(dead.len())
        })
        .await;
        assert!(!dead.headers.is_empty(), "{dead:?}");
    }
    // Once a record, not once an attempt.
    for process in system.processes() {
        let said = process.said();
        let lines = said.lines().filter(|line| line.contains("set aside")).count();
        assert!(lines <= foreign.len() * 3, "{} lines of {}:\n{said}", lines, process.name());
    }
}

/// `preorder events` prints what is there, as `kafka-console-consumer` would.
pub(crate) async fn printed_by_preorder_events(system: Arc<System>) {
    let all = Customer::new().reserve_all(&system).await;
    system.events().expect(all.id, &ALL[..3]).await;
    let mut command = std::process::Command::new(stories::binaries::path("preorder"));
    let output =
        command.env("DATA_DIR", system.data()).args(["events", "--topic", system.topic()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    printed(&String::from_utf8_lossy(&output.stdout), &system, all.id).await;
}

/// Kafka's own tool, from Kafka's own jars.
pub(crate) async fn printed_by_kafka_console_consumer(system: Arc<System>) {
    let all = Customer::new().reserve_all(&system).await;
    system.events().expect(all.id, &ALL[..3]).await;
    let tool = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/kafka-console-consumer");
    let topic = system.topic().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new(tool)
            .args(["--bootstrap-server", &stories::setup::kafka_brokers().unwrap()])
            .args(["--topic", &topic, "--from-beginning", "--timeout-ms", "8000"])
            .output()
            .unwrap()
    });
    let output = output.await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    printed(&String::from_utf8_lossy(&said), &system, all.id).await;
}

async fn printed(text: &str, system: &System, id: i64) {
    for fact in system.events().of(id).await {
        let value = String::from_utf8_lossy(&fact.raw).into_owned();
        assert!(text.lines().any(|line| line == value), "{value} is not in:\n{text}");
    }
}

//! Cancellations, refunds, failures of the card network, restarts: no charge stands that should not.

use std::path::Path;
use std::time::Duration;

use crate::support::app::{App, body, until};
use crate::support::backend::on_each;
use events::{Fact, PaymentCancelled, PaymentCreated};
use futures::future::join_all;
use serde_json::json;

#[tokio::test]
async fn a_cancelled_reservation_gets_its_money_back() {
    on_each(async |backend| {
        let app = App::start(backend).await;
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let request = app.http.post(app.url("/payments")).header("traceparent", trace).json(&body(7));
        let item = app.send(request).await.json();
        for _repeated in 0..3 {
            app.cancel(7).await;
        }
        let told = app.told(2).await;
        let created: PaymentCreated = told[0].fact().unwrap().read().unwrap();
        let cancelled: PaymentCancelled = told[1].fact().unwrap().read().unwrap();
        assert_eq!((created.version(), cancelled.version()), (1, 2));
        for received in &told {
            let record = &received.record;
            assert_eq!(record.key.as_deref(), Some("7"));
            let header =
                |name| record.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
            assert_eq!(header("type"), Some(received.fact().unwrap().fact_type().into()));
            let carried = String::from_utf8(header("traceparent").unwrap()).unwrap();
            assert_eq!(carried[3..35], trace[3..35], "one reservation is one trace");
        }
        assert_eq!(app.ledger().await, (1, 1));
        assert_eq!(app.get(&format!("/payments/{}", item["id"])).await.status, 404);
        assert_eq!(app.get("/payments").await.json()["page"]["totalElements"], 0);
        assert_eq!(app.post(&body(7)).await.status, 409);
        assert_eq!(app.ledger().await, (1, 1));
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_cancellation_that_comes_first_refuses_the_charge() {
    on_each(async |backend| {
        let app = App::start(backend).await;
        app.cancel(7).await;
        // A marker behind it in the log: once that is undone, the tombstone is there too.
        app.post(&body(8)).await;
        app.cancel(8).await;
        app.told(2).await;
        let answer = app.post(&body(7)).await;
        assert_eq!(answer.status, 409, "{}", answer.text);
        assert_eq!(app.ledger().await, (1, 1));
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_racing_requests_and_cancellations_leave_is_even() {
    on_each(async |backend| {
        let app = App::start_with(backend, |settings| {
            settings.own.provider.latency_max_ms = 20;
            settings.own.provider.error_rate = 0.2;
        })
        .await;
        let (requests, cancelled) = (60, 40);
        let posts = join_all((1..=requests).map(|id| {
            let app = &app;
            async move { app.post(&body(id)).await.status }
        }));
        let cancellations = async {
            for id in 1..=cancelled {
                app.cancel(id).await;
            }
        };
        let (statuses, ()) = tokio::join!(posts, cancellations);
        assert!(statuses.iter().all(|status| matches!(status, 201 | 409 | 503)), "{statuses:?}");
        // Whoever heard nothing asks again, and again.
        for id in cancelled + 1..=requests {
            until("paid", async || app.post(&body(id)).await.status == 201).await;
        }
        let standing = requests - cancelled;
        until("charges minus refunds is what stands", async || {
            let (charges, refunds) = app.ledger().await;
            charges - refunds == standing
        })
        .await;
        assert_eq!(app.get("/payments").await.json()["page"]["totalElements"], standing);
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_charge_that_nobody_finishes_is_undone() {
    on_each(async |backend| {
        let app = App::start_with(backend, |settings| {
            settings.own.provider.error_rate = 1.0;
            settings.own.undo.abandoned_after_ms = 300;
        })
        .await;
        for id in 1..=10 {
            let answer = app.post(&body(id)).await;
            assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.text);
        }
        // Refunds fail as well, on both sides of their effect, and are repeated.
        until("even", async || {
            let (charges, refunds) = app.ledger().await;
            charges == refunds
        })
        .await;
        app.stop().await;

        let app = App::start(backend).await;
        until("undone", async || app.post(&body(1)).await.status == 409).await;
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_network_that_is_closed_charges_nothing() {
    on_each(async |backend| {
        let app = App::start_with(backend, |settings| settings.own.provider.charge_enabled = false).await;
        let answer = app.post(&body(7)).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(!answer.header("retry-after").is_empty());
        app.stop().await;
        // The intent is still there, and is completed when somebody asks again.
        let app = App::start(backend).await;
        assert_eq!(app.post(&body(7)).await.status, 201);
        assert_eq!(app.ledger().await, (1, 0));
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_no_charge_half_done() {
    on_each(async |backend| {
        let app = App::start_with(backend, |settings| {
            settings.own.provider.latency_min_ms = 600;
            settings.own.provider.latency_max_ms = 600;
        })
        .await;
        let request = app.http.post(app.url("/payments")).json(&body(7)).timeout(Duration::from_millis(300));
        assert!(request.send().await.is_err());
        let told = app.told(1).await;
        assert_eq!(told[0].fact().unwrap().fact_type(), PaymentCreated::TYPE);
        assert_eq!(app.get("/payments").await.json()["page"]["totalElements"], 1);
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    on_each(async |backend| {
        let app = App::start_with(backend, |settings| settings.own.provider.error_rate = 1.0).await;
        assert_eq!(app.post(&body(1)).await.status, 503);
        app.cancel(1).await;
        until("read", async || app.post(&body(1)).await.status == 409).await;
        app.stop().await;

        // What it may have charged is given back by whoever comes next; what it did not read is read.
        let app = App::start(backend).await;
        app.post(&body(2)).await;
        app.stop().await;
        let app = App::start(backend).await;
        app.cancel(2).await;
        until("undone", async || app.post(&body(2)).await.status == 409).await;
        until("even", async || {
            let (charges, refunds) = app.ledger().await;
            charges == refunds
        })
        .await;
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn records_that_are_not_ours_are_set_aside_and_the_flow_goes_on() {
    on_each(async |backend| {
        let app = App::start(backend).await;
        app.post(&body(9)).await;
        for poison in ["", "no json", "{}", r#"{"eventType":"ReservationCancelled","id":"x"}"#, "\u{0}"] {
            app.publish(1, poison.as_bytes().to_vec()).await;
        }
        app.publish(2, br#"{"eventType":"ReservationHeld","id":2}"#.to_vec()).await;
        app.cancel(9).await;
        let told = app.told(2).await;
        assert!(told[1].fact().unwrap().fact_type() == PaymentCancelled::TYPE);
        let letters = app.get("/actuator/deadletters").await;
        assert_eq!(letters.status, 200, "{}", letters.text);
        assert!(letters.text.contains("not a JSON object"), "{}", letters.text);
        app.stop().await;
    })
    .await;
}

/// Wherever the number might have gone: tables of both databases, the log, answers, metrics.
#[tokio::test]
async fn the_card_number_is_found_nowhere() {
    on_each(async |backend| {
        let app = App::start(backend).await;
        let number = "4929123456781234";
        let mut shown = String::new();
        for (id, card) in
            [(1, number.to_owned()), (2, "4929-1234-5678-1234".to_owned()), (3, format!("{number}x"))]
        {
            let mut body = body(id);
            body["cardNo"] = json!(card);
            shown += &app.post(&body).await.text;
        }
        app.cancel(1).await;
        app.told(3).await;
        for path in ["/payments", "/actuator/prometheus", "/actuator/deadletters"] {
            shown += &app.get(path).await.text;
        }
        let database = backend.database().await;
        for text in [
            "SELECT card_no, product_name, decline_message FROM payment",
            "SELECT record_key, CAST(payload AS TEXT), CAST(headers AS TEXT) FROM outbox",
        ] {
            let rows: Vec<(Option<String>, Option<String>, Option<String>)> =
                sqlx::query_as(text).fetch_all(database.reader()).await.unwrap();
            shown += &format!("{rows:?}");
        }
        database.close().await;
        app.stop().await;
        assert!(!shown.contains(number) && !shown.contains("4929-1234"), "{shown}");
        assert!(!any_file_holds(backend.directory.path(), number.as_bytes()));
        assert!(!any_file_holds(backend.directory.path(), b"4929-1234"));
    })
    .await;
}

fn any_file_holds(directory: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

//! The bulkhead, the breaker, the request, and what operators see.

use std::time::{Duration, Instant};

use prereservation::outbound::payment::{PaymentClient, PaymentClientSettings};
use prereservation::use_cases::ports::{
    NotSent, NotSentWhy, PaymentGateway, PaymentOutcome, Unknown, UnknownWhy,
};
use resilience::BreakerSettings;
use serde_json::{Value, json};
use telemetry::{Scope, TraceContext};
use web::actuator::{Breaker as _, BreakerUpdate};

use super::contract::{Behaviour, CARD, Subject, order};
use super::fake_payment::FakePayment;
use super::{HttpSubject, client_settings, internal};

const DEADLINE: Duration = Duration::from_secs(5);

fn why_not_sent(outcome: PaymentOutcome) -> NotSentWhy {
    match outcome {
        PaymentOutcome::NotSent(NotSent { why, retry_after }) => {
            assert!(retry_after >= Duration::from_secs(1));
            why
        }
        other => panic!("{other:?}"),
    }
}

fn trips_after(calls: usize) -> BreakerSettings {
    BreakerSettings { minimum_number_of_calls: calls, ..BreakerSettings::default() }
}

#[tokio::test]
async fn one_call_more_than_the_bulkhead_holds_is_answered_at_once() {
    let settings = PaymentClientSettings {
        timeout_ms: 60_000,
        connect_timeout_ms: 60_000,
        max_concurrent_calls: 2,
        ..client_settings()
    };
    let subject = HttpSubject::new(Behaviour::IsSilent, &settings, &BreakerSettings::default()).await;
    let mut waiting = Vec::new();
    for calls in 1..=2 {
        let client = subject.client.clone();
        waiting.push(tokio::spawn(async move { client.pay(&order()).await }));
        asked(&subject, calls).await;
    }
    assert_eq!(why_not_sent(subject.client.pay(&order()).await), NotSentWhy::BulkheadFull);
    assert_eq!(subject.asked().await, 2);

    // A caller that leaves gives its place back.
    let left = waiting.remove(0);
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    let client = subject.client.clone();
    waiting.push(tokio::spawn(async move { client.pay(&order()).await }));
    asked(&subject, 3).await;
    for call in waiting {
        call.abort();
    }
}

async fn asked(subject: &HttpSubject, calls: usize) {
    let deadline = Instant::now() + DEADLINE;
    while subject.asked().await < calls {
        assert!(Instant::now() < deadline, "payment was not asked {calls} times");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_open_breaker_answers_well_within_a_millisecond() {
    let subject = HttpSubject::new(Behaviour::Answers(500), &client_settings(), &trips_after(3)).await;
    for _ in 0..3 {
        let outcome = subject.client.pay(&order()).await;
        assert_eq!(outcome, PaymentOutcome::Unknown(Unknown { why: UnknownWhy::ServerError(500) }));
    }
    let order = order();
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        let outcome = subject.client.pay(&order).await;
        times.push(started.elapsed());
        assert_eq!(why_not_sent(outcome), NotSentWhy::BreakerOpen);
    }
    times.sort();
    assert!(times[100] < Duration::from_micros(500), "the median is {:?}", times[100]);
    assert_eq!(subject.asked().await, 3);
    assert_eq!(subject.client.breaker().snapshot().not_permitted_calls, 200);
}

#[tokio::test]
async fn a_refused_card_is_no_fault_of_payments() {
    let subject = HttpSubject::new(Behaviour::DeclinesCard, &client_settings(), &trips_after(3)).await;
    for _ in 0..10 {
        let outcome = subject.client.pay(&order()).await;
        assert!(matches!(outcome, PaymentOutcome::Declined(_)), "{outcome:?}");
    }
    let seen = subject.client.breaker().snapshot();
    assert_eq!((seen.state, seen.buffered_calls, seen.failed_calls), ("CLOSED", 10, 0));
}

/// What payment says definitely, for instance because a stranger was here before, must not stop everybody else.
#[tokio::test]
async fn no_definite_answer_opens_the_breaker() {
    for status in [400, 401, 403, 404, 405, 409, 413, 415, 422, 429] {
        let subject = HttpSubject::new(Behaviour::Answers(status), &client_settings(), &trips_after(3)).await;
        for _ in 0..10 {
            let outcome = subject.client.pay(&order()).await;
            assert!(!matches!(outcome, PaymentOutcome::Unknown(_)), "{status}: {outcome:?}");
        }
        let seen = subject.client.breaker().snapshot();
        assert_eq!((seen.state, seen.buffered_calls, seen.failed_calls), ("CLOSED", 10, 0), "{status}");
    }
}

#[tokio::test]
async fn a_token_or_an_address_that_is_wrong_is_seen_in_health() {
    for (status, named) in [(401, "internal.token"), (403, "internal.token"), (404, "url.payment")] {
        let subject = HttpSubject::new(Behaviour::Charges, &client_settings(), &trips_after(3)).await;
        let FakePayment::Http(server) = &subject.payment else { panic!("no HTTP server") };
        let refuses = wiremock::Mock::given(wiremock::matchers::any())
            .respond_with(wiremock::ResponseTemplate::new(status))
            .up_to_n_times(1)
            .with_priority(1);
        refuses.mount(server).await;
        let health = subject.client.health();
        assert_eq!(health.check().await.status.as_str(), "UP");
        subject.client.pay(&order()).await;
        let down = health.check().await;
        assert_eq!(down.status.as_str(), "DOWN");
        assert!(down.details["error"].as_str().unwrap().contains(named), "{down:?}");
        subject.client.pay(&order()).await;
        assert_eq!(health.check().await.status.as_str(), "UP", "it is mended");
    }
}

#[tokio::test]
async fn what_is_not_connected_or_not_answered_counts_as_failed() {
    for behaviour in [Behaviour::Refuses, Behaviour::Resets, Behaviour::IsSilent, Behaviour::AnswersGarbage] {
        let subject = HttpSubject::new(behaviour, &client_settings(), &trips_after(1)).await;
        subject.client.pay(&order()).await;
        assert_eq!(subject.client.breaker().snapshot().state, "OPEN", "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_counts_for_nothing() {
    let subject = HttpSubject::new(Behaviour::IsSilent, &client_settings(), &trips_after(1)).await;
    let client = subject.client.clone();
    let call = tokio::spawn(async move { client.pay(&order()).await });
    asked(&subject, 1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let seen = subject.client.breaker().snapshot();
    assert_eq!((seen.state, seen.buffered_calls), ("CLOSED", 0));
}

#[tokio::test]
async fn it_closes_again_when_payment_is_back() {
    let breaker = BreakerSettings {
        wait_duration_in_open_state_ms: 1,
        permitted_number_of_calls_in_half_open_state: 2,
        ..trips_after(2)
    };
    let subject = HttpSubject::new(Behaviour::Charges, &client_settings(), &breaker).await;
    let FakePayment::Http(server) = &subject.payment else { panic!("no HTTP server") };
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(wiremock::ResponseTemplate::new(503))
        .up_to_n_times(2)
        .with_priority(1)
        .mount(server)
        .await;
    subject.client.pay(&order()).await;
    subject.client.pay(&order()).await;
    assert_eq!(subject.client.breaker().snapshot().state, "OPEN");
    let mut last = None;
    let deadline = Instant::now() + DEADLINE;
    while subject.client.breaker().snapshot().state != "CLOSED" {
        assert!(Instant::now() < deadline, "still not closed: {last:?}");
        last = Some(subject.client.pay(&order()).await);
    }
    assert!(matches!(subject.client.pay(&order()).await, PaymentOutcome::Paid(_)));
}

#[tokio::test]
async fn an_operator_can_cut_payment_off() {
    let subject = HttpSubject::new(Behaviour::Charges, &client_settings(), &trips_after(1)).await;
    let breaker = subject.client.breaker();
    breaker.update(BreakerUpdate::ForceOpen);
    assert_eq!(why_not_sent(subject.client.pay(&order()).await), NotSentWhy::BreakerOpen);
    breaker.update(BreakerUpdate::Close);
    assert!(matches!(subject.client.pay(&order()).await, PaymentOutcome::Paid(_)));
    assert_eq!(subject.asked().await, 1);
}

#[tokio::test]
async fn the_request_is_what_payment_expects() {
    let subject = HttpSubject::new(Behaviour::Charges, &client_settings(), &trips_after(1)).await;
    let caller = TraceContext::new_root();
    Scope::default().with_trace(caller).run(subject.client.pay(&order())).await;

    let FakePayment::Http(server) = &subject.payment else { panic!("no HTTP server") };
    let requests = server.received_requests().await.unwrap();
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    let expected = json!({
        "preReservationId": 7, "userId": 1, "productId": 2, "productName": "fold",
        "price": 1_300_000, "cardNo": CARD.replace('-', ""),
    });
    assert_eq!(body, expected);
    let header = |name: &str| requests[0].headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("x-internal-token"), "the-token-in-use-0000");
    let sent = TraceContext::parse(&header("traceparent")).unwrap();
    assert_eq!(sent.trace_id(), caller.trace_id());
    assert_ne!(sent.span_id(), caller.span_id());
}

#[tokio::test]
async fn operators_see_calls_in_the_metrics() {
    let metrics = telemetry::metrics_handle();
    let subject = HttpSubject::new(Behaviour::Answers(500), &client_settings(), &trips_after(1)).await;
    subject.client.pay(&order()).await;
    subject.client.pay(&order()).await;
    let text = metrics.render();
    for (name, labels) in [
        ("resilience4j_circuitbreaker_state", vec!["name=\"payment\"", "state=\"half_open\""]),
        ("resilience4j_circuitbreaker_calls_total", vec!["kind=\"failed\"", "name=\"payment\""]),
        ("resilience4j_circuitbreaker_not_permitted_calls_total", vec!["name=\"payment\""]),
        (
            "http_client_requests_seconds_count",
            vec!["uri=\"/payments\"", "status=\"500\"", "outcome=\"SERVER_ERROR\"", "method=\"POST\""],
        ),
    ] {
        let found = text.lines().any(|line| {
            line.starts_with(name)
                && line.contains("application=\"prereservation\"")
                && labels.iter().all(|label| line.contains(label))
        });
        assert!(found, "no {name} with {labels:?} in\n{text}");
    }
}

#[test]
fn a_setting_that_cannot_work_is_named() {
    let message = |url: &str, client: PaymentClientSettings, breaker: BreakerSettings| {
        PaymentClient::new(url, &internal(), &client, &breaker).err().unwrap().to_string()
    };
    let (client, breaker) = (PaymentClientSettings::default(), BreakerSettings::default());
    let url = "http://localhost:8081";
    for wrong in ["", "localhost:8081", "https://localhost", "kafka://localhost"] {
        let message = message(wrong, client.clone(), breaker.clone());
        assert!(message.starts_with("url.payment: "), "{message}");
    }
    let late = PaymentClientSettings { connect_timeout_ms: 1_000, ..client.clone() };
    assert!(message(url, late, breaker.clone()).starts_with("payment_client.connect_timeout_ms: "));
    let never = BreakerSettings { failure_rate_threshold: 101.0, ..breaker };
    assert!(message(url, client, never).starts_with("circuit_breaker.failure_rate_threshold: "));
}

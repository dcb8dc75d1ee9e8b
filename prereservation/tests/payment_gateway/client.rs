//! The request, what counts for the circuit breaker, and what operators see.

use std::time::{Duration, Instant};

use http_common::actuator::{Breaker as _, BreakerUpdate};
use prereservation::use_cases::ports::{NotSent, NotSentWhy, PaymentGateway, PaymentOutcome};
use resilience::{BreakerSettings, ClientSettings};
use serde_json::{Value, json};
use telemetry::{Scope, TraceContext};

use super::contract::{Behaviour, CARD, Subject, order};
use super::fake_payment::FakePayment;
use super::{HttpSubject, client_settings};

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
async fn nobody_is_kept_waiting_for_a_call_that_is_not_made() {
    let settings = ClientSettings { timeout_ms: 60_000, max_concurrent_calls: 1, ..client_settings() };
    let subject = HttpSubject::new(Behaviour::IsSilent, &settings, &trips_after(1)).await;
    let client = subject.client.clone();
    let waiting = tokio::spawn(async move { client.pay(&order()).await });
    let deadline = Instant::now() + DEADLINE;
    while subject.asked().await < 1 {
        assert!(Instant::now() < deadline, "payment was not asked");
        tokio::task::yield_now().await;
    }
    assert_eq!(why_not_sent(subject.client.pay(&order()).await), NotSentWhy::BulkheadFull);
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());

    subject.client.breaker().update(BreakerUpdate::ForceOpen);
    assert_eq!(why_not_sent(subject.client.pay(&order()).await), NotSentWhy::BreakerOpen);
    assert_eq!(subject.asked().await, 1);
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

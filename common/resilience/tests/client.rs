//! What a client of another service owes its caller and its operators, whatever the other service does.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_common::InternalSettings;
use http_common::actuator::{Breaker as _, BreakerUpdate};
use resilience::{
    BreakerSettings, ClientSettings, Method, NoAnswer, NotAsked, NotPermitted, Request, ServiceClient,
};
use telemetry::{Scope, TraceContext};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const DEADLINE: Duration = Duration::from_secs(10);
const TIMEOUT_MS: u64 = 400;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no answer")]
    NoAnswer(#[from] NoAnswer),
    #[error("status {0}")]
    Status(u16),
}

type Asked = Result<Result<u16, Failure>, NotAsked>;

async fn ask(client: &ServiceClient) -> Asked {
    ask_with(client, false).await
}

async fn ask_with(client: &ServiceClient, idempotent: bool) -> Asked {
    let request = Request { method: Method::POST, path: "/things", body: "{}".into(), idempotent };
    let read = |answer: resilience::Answer| async move {
        match answer.status() {
            status if status < 500 => answer.body(64).await.map(|_| status).map_err(Failure::from),
            status => Err(Failure::Status(status)),
        }
    };
    client.call(&request, read).await
}

fn settings() -> ClientSettings {
    ClientSettings { timeout_ms: TIMEOUT_MS, connect_timeout_ms: TIMEOUT_MS / 2, ..ClientSettings::default() }
}

fn trips_after(calls: usize) -> BreakerSettings {
    BreakerSettings { minimum_number_of_calls: calls, ..BreakerSettings::default() }
}

fn client(url: &str, client: &ClientSettings, breaker: &BreakerSettings) -> Arc<ServiceClient> {
    let internal = InternalSettings { token: "the-token-in-use-0000,the-token-to-come-1111".into() };
    Arc::new(ServiceClient::new("caller", "other", url, &internal, client, breaker).unwrap())
}

async fn answers(status: u16) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(status)).mount(&server).await;
    server
}

async fn times_asked(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

/// Takes requests, counts them, and does what no HTTP server does.
struct Odd {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    /// Waits until the client leaves.
    Nothing,
    HangsUp,
    /// Hangs up once, then answers 200.
    HangsUpOnce,
    /// Breaks the answer off in its body.
    BreaksOff,
    /// Answers more than the caller reads.
    Floods,
}

impl Odd {
    async fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, does, count.clone()));
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn was_asked(&self, times: usize) {
        let deadline = Instant::now() + DEADLINE;
        while self.asked.load(Ordering::SeqCst) < times {
            assert!(Instant::now() < deadline, "not asked {times} times");
            tokio::task::yield_now().await;
        }
    }
}

async fn serve(mut stream: TcpStream, does: Does, asked: Arc<AtomicUsize>) {
    let mut request = Vec::new();
    while !request.ends_with(b"{}") {
        if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
            return;
        }
    }
    let earlier = asked.fetch_add(1, Ordering::SeqCst);
    let head = "HTTP/1.1 200 OK\r\ncontent-length: ";
    let answer = match does {
        Does::Nothing => {
            let _ = stream.read(&mut [0]).await;
            return;
        }
        Does::HangsUp => return,
        Does::HangsUpOnce if earlier == 0 => return,
        Does::HangsUpOnce => format!("{head}0\r\n\r\n"),
        Does::BreaksOff => format!("{head}10\r\n\r\nhalf"),
        Does::Floods => format!("{head}100\r\n\r\n{}", "x".repeat(100)),
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}

#[tokio::test]
async fn one_call_more_than_the_bulkhead_holds_is_answered_at_once() {
    let other = Odd::start(Does::Nothing).await;
    let patient = ClientSettings {
        timeout_ms: 60_000,
        connect_timeout_ms: 60_000,
        max_concurrent_calls: 2,
        ..settings()
    };
    let client = client(&other.url(), &patient, &trips_after(100));
    let call = || {
        let client = client.clone();
        tokio::spawn(async move { ask(&client).await })
    };
    let mut waiting = Vec::new();
    for calls in 1..=2 {
        waiting.push(call());
        other.was_asked(calls).await;
    }
    assert_eq!(ask(&client).await.unwrap_err(), NotAsked::BulkheadFull);
    assert_eq!(other.asked.load(Ordering::SeqCst), 2);

    // A caller that leaves gives its place back.
    let left = waiting.remove(0);
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    waiting.push(call());
    other.was_asked(3).await;
    for call in waiting {
        call.abort();
    }
}

#[tokio::test]
async fn an_open_breaker_asks_nobody_and_answers_at_once() {
    let server = answers(500).await;
    let client = client(&server.uri(), &settings(), &trips_after(3));
    for _ in 0..3 {
        assert!(matches!(ask(&client).await, Ok(Err(Failure::Status(500)))));
    }
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        let refused = ask(&client).await;
        times.push(started.elapsed());
        assert!(matches!(refused, Err(NotAsked::BreakerOpen(NotPermitted { .. }))), "{refused:?}");
    }
    times.sort();
    assert!(times[100] < Duration::from_micros(500), "the median is {:?}", times[100]);
    assert_eq!(times_asked(&server).await, 3);
    assert_eq!(client.breaker().snapshot().not_permitted_calls, 200);
}

#[tokio::test]
async fn who_gives_no_complete_answer_has_failed() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let quick = client(&nobody, &settings(), &trips_after(1));
    assert!(matches!(ask(&quick).await, Ok(Err(Failure::NoAnswer(NoAnswer::NotConnected(_))))));
    assert_eq!(quick.breaker().snapshot().state, "OPEN");

    let is_expected = |does, no_answer: &NoAnswer| match does {
        Does::Nothing => matches!(no_answer, NoAnswer::TimedOut),
        Does::HangsUp | Does::HangsUpOnce | Does::BreaksOff => matches!(no_answer, NoAnswer::Broken(_)),
        Does::Floods => matches!(no_answer, NoAnswer::TooLong(64)),
    };
    for does in [Does::Nothing, Does::HangsUp, Does::HangsUpOnce, Does::BreaksOff, Does::Floods] {
        let other = Odd::start(does).await;
        let client = client(&other.url(), &settings(), &trips_after(1));
        match ask(&client).await {
            Ok(Err(Failure::NoAnswer(no_answer))) => assert!(is_expected(does, &no_answer), "{no_answer:?}"),
            unexpected => panic!("{does:?}: {unexpected:?}"),
        }
        assert_eq!(client.breaker().snapshot().state, "OPEN", "{does:?}");
        assert_eq!(other.asked.load(Ordering::SeqCst), 1, "{does:?}");
    }
}

/// A second time where no answer began, and no other time.
#[tokio::test]
async fn an_idempotent_request_is_sent_again_when_its_connection_breaks() {
    for (does, times) in [
        (Does::HangsUpOnce, 2),
        (Does::HangsUp, 2),
        (Does::BreaksOff, 1),
        (Does::Nothing, 1),
        (Does::Floods, 1),
    ] {
        let other = Odd::start(does).await;
        let client = client(&other.url(), &settings(), &trips_after(100));
        let answer = ask_with(&client, true).await.unwrap();
        assert_eq!(answer.is_ok(), does == Does::HangsUpOnce, "{does:?}: {answer:?}");
        assert_eq!(other.asked.load(Ordering::SeqCst), times, "{does:?}");
        assert_eq!(client.breaker().snapshot().buffered_calls, 1, "{does:?}: it is one call");
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_counts_for_nothing() {
    let other = Odd::start(Does::Nothing).await;
    let client = client(&other.url(), &settings(), &trips_after(1));
    let asking = client.clone();
    let call = tokio::spawn(async move { ask(&asking).await });
    other.was_asked(1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let seen = client.breaker().snapshot();
    assert_eq!((seen.state, seen.buffered_calls), ("CLOSED", 0));
}

#[tokio::test]
async fn it_closes_again_when_the_other_is_back() {
    let breaker = BreakerSettings {
        wait_duration_in_open_state_ms: 1,
        permitted_number_of_calls_in_half_open_state: 2,
        ..trips_after(2)
    };
    let server = answers(200).await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(2)
        .with_priority(1)
        .mount(&server)
        .await;
    let client = client(&server.uri(), &settings(), &breaker);
    let _ = ask(&client).await;
    let _ = ask(&client).await;
    assert_eq!(client.breaker().snapshot().state, "OPEN");
    let mut last = None;
    let deadline = Instant::now() + DEADLINE;
    while client.breaker().snapshot().state != "CLOSED" {
        assert!(Instant::now() < deadline, "still not closed: {last:?}");
        last = Some(ask(&client).await);
    }
    assert!(matches!(ask(&client).await, Ok(Ok(200))));
}

#[tokio::test]
async fn an_operator_can_cut_the_other_off() {
    let server = answers(200).await;
    let client = client(&server.uri(), &settings(), &trips_after(1));
    client.breaker().update(BreakerUpdate::ForceOpen);
    assert!(matches!(ask(&client).await, Err(NotAsked::BreakerOpen(_))));
    client.breaker().update(BreakerUpdate::Close);
    assert!(matches!(ask(&client).await, Ok(Ok(200))));
    assert_eq!(times_asked(&server).await, 1);
}

#[tokio::test]
async fn a_request_carries_the_trace_and_proves_who_asks() {
    let server = answers(200).await;
    let client = client(&server.uri(), &settings(), &trips_after(1));
    let caller = TraceContext::new_root();
    let answer = Scope::default().with_trace(caller).run(ask(&client)).await;
    assert!(matches!(answer, Ok(Ok(200))), "{answer:?}");

    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests[0].url.path(), "/things");
    assert_eq!(requests[0].body, b"{}");
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
    let server = answers(500).await;
    let client = client(&server.uri(), &settings(), &trips_after(1));
    let _ = ask(&client).await;
    let _ = ask(&client).await;
    let text = metrics.render();
    for (name, labels) in [
        ("resilience4j_circuitbreaker_state", vec!["name=\"other\"", "state=\"half_open\""]),
        ("resilience4j_circuitbreaker_calls_total", vec!["kind=\"failed\"", "name=\"other\""]),
        ("resilience4j_circuitbreaker_not_permitted_calls_total", vec!["name=\"other\""]),
        (
            "http_client_requests_seconds_count",
            vec!["uri=\"/things\"", "status=\"500\"", "outcome=\"SERVER_ERROR\"", "method=\"POST\""],
        ),
    ] {
        let found = text.lines().any(|line| {
            line.starts_with(name)
                && line.contains("application=\"caller\"")
                && labels.iter().all(|label| line.contains(label))
        });
        assert!(found, "no {name} with {labels:?} in\n{text}");
    }
}

#[test]
fn a_setting_that_cannot_work_is_named() {
    let message = |url: &str, client: ClientSettings, breaker: BreakerSettings| {
        let internal = InternalSettings::default();
        let refused = ServiceClient::new("caller", "other", url, &internal, &client, &breaker);
        refused.err().unwrap().to_string()
    };
    let (client, breaker) = (ClientSettings::default(), BreakerSettings::default());
    let url = "http://localhost:8081";
    for wrong in ["", "localhost:8081", "https://localhost", "kafka://localhost"] {
        let message = message(wrong, client.clone(), breaker.clone());
        assert!(message.starts_with("url.other: "), "{message}");
    }
    let late = ClientSettings { connect_timeout_ms: 1_000, ..client.clone() };
    assert!(message(url, late, breaker.clone()).starts_with("other_client.connect_timeout_ms: "));
    let never = BreakerSettings { failure_rate_threshold: 101.0, ..breaker };
    assert!(message(url, client, never).starts_with("circuit_breaker.failure_rate_threshold: "));
}

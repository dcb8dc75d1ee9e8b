//! Clients that take their time: those that move are served, and take nothing from the others.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{Client, Gateway, Reply, Service, eventually, get, route, settings};
use tokio::time::sleep;

const REQUEST: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
/// So much fits into hyper's buffer, so that the exchange is over long before the answer is written.
const PAGE: usize = 350_000;

async fn page() -> Service {
    Service::start(|_| Reply::ok(&"a".repeat(PAGE))).await
}

#[tokio::test]
async fn a_reader_that_pauses_gets_the_whole_answer() {
    let service = page().await;
    let gateway = Gateway::before(&service).await;
    // Also where it is the last answer, and where the next request lies behind it.
    for (request, answers) in [
        (REQUEST.to_owned(), 1),
        (REQUEST.repeat(2), 2),
        ("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(), 1),
        ("GET /x HTTP/1.0\r\n\r\n".to_owned(), 1),
    ] {
        let mut client = Client::with_receive_buffer(gateway.addr, 4096).await;
        client.send(&request).await;
        for _ in 0..answers {
            assert!(client.sip().await);
            // Longer than an idle connection keeps its buffers. This is what the client does, not what is waited for.
            sleep(Duration::from_millis(1600)).await;
            assert_eq!(client.answer().await.body.len(), PAGE, "{request}");
        }
    }
}

#[tokio::test]
async fn progress_renews_the_time_and_silence_ends_it() {
    let service = page().await;
    let mut hasty = settings(&[route("x", "/x/**", service.addr)]);
    hasty.server.stall_timeout_ms = 4000;
    let gateway = Gateway::start(hasty).await;
    let mut reads = Client::with_receive_buffer(gateway.addr, 4096).await;
    let mut stalls = Client::with_receive_buffer(gateway.addr, 4096).await;
    for client in [&mut reads, &mut stalls] {
        client.send(REQUEST).await;
        assert!(client.sip().await);
    }
    // More than the stall's time in all, and each pause far less.
    for _ in 0..20 {
        sleep(Duration::from_millis(300)).await;
        assert!(reads.sip().await);
    }
    assert_eq!(reads.answer().await.body.len(), PAGE);
    assert_eq!(reads.ask(REQUEST).await.body.len(), PAGE);
    assert!(stalls.try_answer().await.is_none());
}

/// The beginning of a request behind an answer that is still read must not end that answer.
#[tokio::test]
async fn half_a_head_waits_for_the_answer_before_it() {
    let service = page().await;
    let mut hasty = settings(&[route("x", "/x/**", service.addr)]);
    hasty.server.header_timeout_ms = 200;
    let gateway = Gateway::start(hasty).await;
    let mut client = Client::with_receive_buffer(gateway.addr, 4096).await;
    client.send(REQUEST).await;
    assert!(client.sip().await);
    client.send("GET /x HTTP/1.1\r\nHo").await;
    sleep(Duration::from_millis(600)).await;
    assert_eq!(client.answer().await.body.len(), PAGE);
    client.answer().await.is_problem(408);
}

/// Who still reads does not rest: it makes no room for others.
#[tokio::test]
async fn a_slow_reader_keeps_its_place() {
    let service = page().await;
    let mut small = settings(&[route("x", "/x/**", service.addr)]);
    small.server.max_connections = 1;
    let gateway = Gateway::start(small).await;
    let mut client = Client::with_receive_buffer(gateway.addr, 4096).await;
    client.send(REQUEST).await;
    assert!(client.sip().await);
    let mut other = Client::connect(gateway.addr).await;
    other.answer().await.is_problem(503);
    assert_eq!(client.answer().await.body.len(), PAGE);
    assert_eq!(get(gateway.addr, "/x").await.body.len(), PAGE);
}

const SLOW: &str = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\na";

/// Bodies that fit are read first: however many come slowly, no service has anything to do with them.
#[tokio::test]
async fn slow_bodies_take_no_connection_from_others() {
    let service = Service::saying("ok").await;
    let mut small = settings(&[route("x", "/x/**", service.addr)]);
    small.upstream.max_connections = 2;
    let gateway = Gateway::start(small).await;
    let mut slow = Vec::new();
    for _ in 0..30 {
        let mut client = Client::connect(gateway.addr).await;
        client.send(SLOW).await;
        slow.push(client);
    }
    for _ in 0..10 {
        assert_eq!(get(gateway.addr, "/x").await.body, "ok");
    }
    assert!(service.seen().iter().all(|request| request.head.starts_with("GET")));
    for client in &mut slow {
        client.send("a".repeat(99)).await;
        assert_eq!(client.answer().await.status, 200);
    }
    assert_eq!(service.last().body, "a".repeat(100).as_bytes());
}

/// Bodies that do not fit stream, over half of a service's connections at most.
#[tokio::test]
async fn slow_streams_leave_connections_to_others() {
    let service = Service::saying("ok").await;
    let mut small = settings(&[route("x", "/x/**", service.addr)]);
    small.upstream.max_connections = 4;
    small.server.body_buffer_bytes = 1;
    let gateway = Gateway::start(small).await;
    let mut slow = Vec::new();
    for _ in 0..12 {
        let mut client = Client::connect(gateway.addr).await;
        client.send(SLOW).await;
        slow.push(client);
    }
    for _ in 0..10 {
        assert_eq!(get(gateway.addr, "/x").await.body, "ok");
    }
    // Each gets its turn once the ones before are done.
    for client in &mut slow {
        client.send("a".repeat(99)).await;
    }
    for client in &mut slow {
        assert_eq!(client.answer().await.body, "ok");
    }
}

/// Each client has a number of them; behind a trusted proxy it is the client that counts, not the proxy.
#[tokio::test]
async fn one_client_has_so_many_bodies_under_way() {
    let service = Service::saying("ok").await;
    for trusting in [false, true] {
        let mut strict = settings(&[route("x", "/x/**", service.addr)]);
        strict.server.max_uploads_per_client = 2;
        if trusting {
            strict.forwarded.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        }
        let gateway = Gateway::start(strict).await;
        let slow = |client: &str| SLOW.replace("Host", &format!("X-Forwarded-For: {client}\r\nHost"));
        let mut under_way = Vec::new();
        // One of three is refused; which one, the order of their arrival decides.
        for _ in 0..2 {
            let mut client = Client::connect(gateway.addr).await;
            client.send(slow("203.0.113.1")).await;
            under_way.push(client);
        }
        eventually("there are too many", async || {
            let mut client = Client::connect(gateway.addr).await;
            client.send(slow("203.0.113.1")).await;
            let answer = client.answer().await;
            answer.is_problem(429);
            answer.header("retry-after") == Some("1") && client.is_closed().await
        })
        .await;
        // What comes whole is never one of them.
        let whole = SLOW.replace("Content-Length: 100", "Content-Length: 1");
        for _ in 0..5 {
            assert_eq!(Client::connect(gateway.addr).await.ask(&whole).await.body, "ok");
        }
        if trusting {
            let mut another = Client::connect(gateway.addr).await;
            another.send(slow("203.0.113.2")).await;
            another.send("a".repeat(99)).await;
            assert_eq!(another.answer().await.body, "ok");
        }
        let mut done = under_way.remove(0);
        done.send("a".repeat(99)).await;
        assert_eq!(done.answer().await.body, "ok");
        let mut next = Client::connect(gateway.addr).await;
        next.send(slow("203.0.113.1")).await;
        next.send("a".repeat(99)).await;
        assert_eq!(next.answer().await.body, "ok");
    }
}

//! The generators and their client against servers whose behaviour is known.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bench::closed_loop::{ClosedLoop, Until};
use bench::open_loop::OpenLoop;
use bench::reservations;
use harness::http::{Client, with_body};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers each request with what the function gives for its number; a stall is part of it.
async fn server(answer: impl Fn(u64) -> (Duration, &'static str) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    let count = Arc::new(AtomicU64::new(0));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
            tokio::spawn(async move {
                let mut input = Vec::new();
                while stream.read_buf(&mut input).await.is_ok_and(|n| n > 0) {
                    while let Some(end) = end_of_request(&input) {
                        input.drain(..end);
                        let (stall, text) = answer(count.fetch_add(1, Ordering::SeqCst));
                        tokio::time::sleep(stall).await;
                        // In two pieces: a client must not rely on getting it whole.
                        let (first, second) = text.split_at(text.len() / 2);
                        if stream.write_all(first.as_bytes()).await.is_err() {
                            return;
                        }
                        tokio::task::yield_now().await;
                        if stream.write_all(second.as_bytes()).await.is_err() || text.contains("close") {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

fn end_of_request(input: &[u8]) -> Option<usize> {
    let text = str::from_utf8(input).unwrap();
    let head = text.find("\r\n\r\n")? + 4;
    let length = text[..head].lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let end = head + length.map_or(0, |length| length.parse().unwrap());
    (input.len() >= end).then_some(end)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
const BROKEN: &str = "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn the_client_reads_lengths_chunks_and_closed_connections() {
    let chunked = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast";
    let empty = "HTTP/1.1 204 No Content\r\n\r\n";
    let answers = [OK, chunked, closing, empty, BUSY];
    let address = server(move |n| (Duration::ZERO, answers[n as usize % answers.len()])).await;
    let mut client = Client::new(address, Duration::from_secs(5));
    let mut seen = Vec::new();
    for _ in 0..answers.len() {
        let mut request = Vec::new();
        with_body(&mut request, "POST", "/", "X-A: b\r\n", b"{}");
        let answer = client.send(&request).await.unwrap();
        seen.push((answer.status, String::from_utf8(answer.body.to_vec()).unwrap(), answer.retry_after));
    }
    let expected =
        [(200, "ok", false), (201, "abcde", false), (200, "last", false), (204, "", false), (503, "", true)];
    assert_eq!(seen, expected.map(|(status, body, retry)| (status, body.to_owned(), retry)));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_an_error_and_the_next_request_goes_on() {
    let address = server(|n| (if n == 0 { Duration::from_secs(60) } else { Duration::ZERO }, OK)).await;
    let mut client = Client::new(address, Duration::from_millis(50));
    assert!(client.get("/").await.is_err());
    assert_eq!(client.get("/").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_closed_loop_sends_what_it_was_told_and_tells_outcomes_apart() {
    let address = server(|n| {
        (
            Duration::ZERO,
            if n % 10 == 0 {
                BUSY
            } else if n % 10 == 1 {
                BROKEN
            } else {
                OK
            },
        )
    })
    .await;
    let requests = reservations::get("/");
    let load = ClosedLoop { address, connections: 4, until: Until::Requests(100), requests, watch: None };
    let run = load.run().await.unwrap();
    assert_eq!((run.tally.total(), run.tally.good.count(), run.tally.refused.count()), (100, 80, 10));
    assert_eq!((run.tally.failed(), run.tally.by_status[&500]), (10, 10));
}

#[tokio::test]
async fn an_open_loop_keeps_its_rate_and_charges_a_stall_to_every_request_behind_it() {
    // One connection, 100 requests a second; the first answer takes 300 ms, so 30 requests start late.
    let address = server(|n| (Duration::from_millis(if n == 0 { 300 } else { 0 }), OK)).await;
    let load = OpenLoop {
        address,
        rate: 100.0,
        length: Duration::from_secs(1),
        connections: 1,
        requests: reservations::get("/"),
        watch: None,
    };
    let open = load.run().await.unwrap();
    let tally = &open.run.tally;
    assert_eq!((tally.total(), tally.failed()), (100, 0));
    // A closed loop would have shown one slow request of a hundred: the median says nothing, the 80th percentile does.
    assert!(tally.good.quantile_ms(0.8) > 50.0, "{}", tally.good.line());
    assert!(open.from_sending.quantile_ms(0.8) < tally.good.quantile_ms(0.8));
    assert!(open.run.elapsed >= Duration::from_millis(980), "{:?}", open.run.elapsed);
}

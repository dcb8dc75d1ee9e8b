//! Requests that two servers could read differently: none of their parts reaches a service as a request of its own.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Client, Gateway, Service, get};

/// What an attacker wants to get past the gateway.
const SMUGGLED: &str = "GET /x/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Heads that are refused; each is followed by [`SMUGGLED`].
const REFUSED: &[&str] = include!("corpora/refused.rs");

/// Chunked bodies that do not end as they should; the request may have reached the service, what follows must not.
const BAD_CHUNKS: &[&str] = include!("corpora/bad_chunks.rs");

#[tokio::test]
async fn no_request_hides_behind_another() {
    let service = Service::saying("").await;
    let gateway = Gateway::before(&service).await;
    for attack in REFUSED {
        let mut client = Client::connect(gateway.addr).await;
        client.send(format!("{attack}{SMUGGLED}")).await;
        let answer = client.try_answer().await.unwrap_or_else(|| panic!("no answer to {attack:?}"));
        assert!(matches!(answer.status, 400 | 505), "{attack:?}: {answer:?}");
        answer.is_problem(answer.status);
        assert_eq!(answer.header("connection"), Some("close"), "{attack:?}");
        assert!(client.is_closed().await, "{attack:?}");
    }
    assert!(service.seen().is_empty(), "{:?}", service.seen());
}

/// The same on a connection that was good so far: hyper is there already.
#[tokio::test]
async fn no_request_hides_behind_another_later_on() {
    let service = Service::saying("fine").await;
    let gateway = Gateway::before(&service).await;
    for attack in REFUSED {
        let mut client = Client::connect(gateway.addr).await;
        // Pipelined, so that both are there at once.
        client.send(format!("GET /x/good HTTP/1.1\r\nHost: a\r\n\r\n{attack}{SMUGGLED}")).await;
        assert_eq!(client.answer().await.body, "fine", "{attack:?}");
        let answer = client.try_answer().await.unwrap_or_else(|| panic!("no answer to {attack:?}"));
        assert!(matches!(answer.status, 400 | 505), "{attack:?}: {answer:?}");
        assert!(client.is_closed().await, "{attack:?}");
    }
    assert!(service.seen().iter().all(|request| request.head.starts_with("GET /x/good ")));
}

#[tokio::test]
async fn bad_chunks_end_the_connection() {
    let service = Service::saying("").await;
    let gateway = Gateway::before(&service).await;
    for chunks in BAD_CHUNKS {
        let mut client = Client::connect(gateway.addr).await;
        client
            .send(format!(
                "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{SMUGGLED}"
            ))
            .await;
        let answer = client.try_answer().await.unwrap_or_else(|| panic!("no answer to {chunks:?}"));
        answer.is_problem(400);
        assert!(client.is_closed().await, "{chunks:?}");
    }
    assert!(service.seen().is_empty(), "{:?}", service.seen());
}

/// A body is a body, whatever it looks like, and what follows good chunks is nothing.
#[tokio::test]
async fn bodies_are_not_read_as_requests() {
    let service = Service::saying("").await;
    let gateway = Gateway::before(&service).await;
    let mut client = Client::connect(gateway.addr).await;
    let answer = client
        .ask(&format!("GET /x/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()))
        .await;
    assert_eq!(answer.status, 200);
    // Also where nobody reads the body.
    let mut client = Client::connect(gateway.addr).await;
    let answer = client
        .ask(&format!(
            "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
            SMUGGLED.len()
        ))
        .await;
    answer.is_problem(404);
    assert!(client.is_closed().await);
    let mut client = Client::connect(gateway.addr).await;
    let answer = client
        .ask(&format!(
            "POST /x/2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ))
        .await;
    assert_eq!(answer.status, 200);
    assert!(client.is_closed().await);
    let lines: Vec<_> = service.seen().iter().map(|request| request.request_line().to_owned()).collect();
    assert_eq!(lines, ["GET /x/1 HTTP/1.1", "POST /x/2 HTTP/1.1"]);
}

/// A service that answers more than it was asked must not have the rest taken for the next answer.
#[tokio::test]
async fn answers_do_not_get_mixed_up() {
    let service = Service::start(|request| {
        let name = request.request_line().to_owned();
        support::Reply::Bytes(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
                name.len()
            )
            .into_bytes(),
        )
    })
    .await;
    let gateway = Gateway::before(&service).await;
    for index in 0..5 {
        let path = format!("/x/{index}");
        assert_eq!(get(gateway.addr, &path).await.body, format!("GET {path} HTTP/1.1"));
    }
}

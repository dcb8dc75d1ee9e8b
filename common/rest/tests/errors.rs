//! What bad input gets: a problem document, never a 500, and nothing stored.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use proptest::{prelude::*, test_runner::TestRunner};
use rest::ServerSettings;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be() {
    let server = start().await;
    for (body, field) in [
        ("", None),
        ("   ", None),
        ("[]", None),
        ("null", None),
        ("{", None),
        ("{}x", None),
        (r#"{"userId":1,"title":"\ud800"}"#, None),
        ("{}", Some("userId")),
        (r#"{"userId":null,"title":"t"}"#, Some("userId")),
        (r#"{"userId":"","title":"t"}"#, Some("userId")),
        (r#"{"userId":0,"title":"t"}"#, Some("userId")),
        (r#"{"userId":-1,"title":"t"}"#, Some("userId")),
        (r#"{"userId":1.5,"title":"t"}"#, Some("userId")),
        (r#"{"userId":9223372036854775808,"title":"t"}"#, Some("userId")),
        (r#"{"userId":1e300,"title":"t"}"#, Some("userId")),
        (r#"{"userId":[1],"title":"t"}"#, Some("userId")),
        (r#"{"userId":1,"title":7}"#, Some("title")),
        (r#"{"userId":1,"title":"a\u0000b"}"#, Some("title")),
        (r#"{"userId":1,"title":"  "}"#, Some("title")),
        (&format!(r#"{{"userId":1,"title":"{}"}}"#, "x".repeat(101)), Some("title")),
    ] {
        let problem = server.post("/books", body).await.assert_problem(400);
        assert_eq!(problem["instance"], "/books");
        assert_eq!(problem["errors"][0]["field"].as_str(), field, "{body}");
    }
    assert_eq!(server.shelf.len(), 0);
}

#[tokio::test]
async fn media_types_that_are_not_accepted() {
    let server = start().await;
    let body = r#"{"userId":1,"title":"t"}"#;
    for refused in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "\u{fc}"] {
        let headers = format!("Content-Type: {refused}\r\n");
        server.send("POST", "/books", &headers, body).await.assert_problem(415);
    }
    server
        .send("POST", "/books", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", body)
        .await
        .assert_problem(415);
    assert_eq!(server.shelf.len(), 0);
    for accepted in
        ["", "Content-Type: application/hal+json\r\n", "Content-Type: application/json; charset=UTF-8\r\n"]
    {
        assert_eq!(server.send("POST", "/books", accepted, body).await.status, 201, "{accepted}");
    }
}

#[tokio::test]
async fn paths_that_lead_nowhere() {
    let server = start().await;
    for (path, status) in [
        ("/nothing", 404),
        ("/books/1/2", 404),
        ("/books/1", 404),
        ("/books/0", 404),
        ("/books/-1", 404),
        ("/books/99999999999999999999", 404),
        ("/books/%31", 404),
        ("/books/abc", 400),
        ("/books/1.0", 400),
        ("/books/%00", 400),
        ("/books/%FF", 400),
        ("/books/1%2F2", 400),
        ("/../etc/passwd", 404),
        ("//", 404),
        ("/actuator/nothing", 404),
        ("/actuator/health/nothing", 404),
        ("/actuatorx", 404),
    ] {
        server.get(path).await.assert_problem(status);
    }
}

#[tokio::test]
async fn what_actix_refuses_by_itself_is_a_problem_document_too() {
    let server = start().await;
    for request in [
        "nonsense\r\n\r\n",
        "GET /books HTTP/9.9\r\n\r\n",
        "GET /bo oks HTTP/1.1\r\n\r\n",
        "GET /books HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /books HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /books HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = server.raw(request).await;
        answer.assert_problem(400);
        assert_eq!(answer.header("connection"), Some("close"), "{request}");
    }
    let chunks = "POST /books HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    server.raw(chunks).await.assert_problem(400);
    let many = format!("GET /books HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
    server.raw(many).await.assert_problem(431);
    let long = format!("GET /books HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(300_000));
    server.raw(long).await.assert_problem(431);
}

#[tokio::test]
async fn a_pipelined_answer_is_not_disturbed_by_the_nonsense_after_it() {
    let server = start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n").await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    assert!(all.starts_with("HTTP/1.1 200 OK"), "{all}");
    assert!(
        all.contains("\r\n\r\n{\"openapi\":\"3.1.0\",") && all.contains("}HTTP/1.1 400 Bad Request\r\n"),
        "{all}"
    );
    assert!(all.ends_with("\"detail\":\"The request could not be understood.\"}"), "{all}");
}

#[tokio::test]
async fn bodies_over_the_limit() {
    let server = start().await;
    let large = format!(r#"{{"userId":1,"title":"{}"}}"#, "x".repeat(70_000));
    server.post("/books", &large).await.assert_problem(413);
    // Announced, and never sent.
    let announced = "POST /books HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n";
    server.raw(announced).await.assert_problem(413);
    // In chunks, nothing announced.
    let mut chunked = "POST /books HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    for _ in 0..10 {
        chunked.push_str(&format!("2710\r\n{}\r\n", "x".repeat(10_000)));
    }
    chunked.push_str("0\r\n\r\n");
    server.raw(chunked).await.assert_problem(413);
    server.send("POST", "/actuator/loggers/x", "", &large).await.assert_problem(413);
    assert_eq!(server.shelf.len(), 0);
}

#[tokio::test]
async fn clients_that_are_slow() {
    let server = start_with(
        ServerSettings { header_timeout_ms: 200, request_timeout_ms: 500, keep_alive_ms: 500, ..settings() },
        |actuator| actuator,
    )
    .await;
    server.raw("GET /boo").await.assert_problem(408);
    server.raw("POST /books HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{").await.assert_problem(408);

    // The head of a second request that does not come to its end: the connection is closed in the end.
    let mut stream = server.connect().await;
    stream.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut stream, false).await.status, 200);
    stream.write_all(b"GET /bo").await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "still open");
}

#[tokio::test]
async fn handlers_that_fail_tell_nothing() {
    let server =
        start_with(ServerSettings { request_timeout_ms: 200, ..settings() }, |actuator| actuator).await;
    for path in ["/panic", "/panic/later"] {
        let panicked = server.send("GET", path, "X-Request-Id: p1\r\n", "").await;
        assert_eq!(panicked.assert_problem(500)["instance"], path);
        assert_eq!(panicked.header("x-request-id"), Some("p1"));
        assert!(!panicked.body.contains("4242"));
    }
    let stuck = server.send("GET", "/stuck", "X-Request-Id: s1\r\n", "").await;
    assert_eq!(stuck.assert_problem(503)["instance"], "/stuck");
    assert_eq!(stuck.header("x-request-id"), Some("s1"));
    let foreign = server.get("/foreign").await;
    assert_eq!(foreign.assert_problem(400)["instance"], "/foreign");
    assert!(!foreign.body.contains("4242"));
    assert_eq!(server.get("/books").await.status, 200, "the server goes on");
}

#[tokio::test]
async fn what_changes_something_is_carried_out_though_nobody_waits() {
    let server =
        start_with(ServerSettings { request_timeout_ms: 100, ..settings() }, |actuator| actuator).await;
    let late = server.post("/slowly", "").await.assert_problem(503);
    assert_eq!(late["detail"], "The request took too long; it may still be carried out.");
    eventually("the first is stored", async || server.shelf.len() == 1).await;

    let mut stream = server.connect().await;
    stream.write_all(request("POST", "/slowly", "", "").as_bytes()).await.unwrap();
    // Its turn has come when the next one on the same worker is answered.
    assert_eq!(server.get("/books").await.status, 200);
    // Closes the connection with a reset.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    eventually("the second is stored", async || server.shelf.len() == 2).await;

    let given_up = server.get("/slow").await.assert_problem(503);
    assert_eq!(given_up["detail"], "The request took too long and was given up.");
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let server = start().await;
    let settings = ServerSettings { port: server.addr.port(), ..settings() };
    let lifecycle = http_common::Lifecycle::new();
    let refused = rest::Server::bind(
        &settings,
        http_common::Actuator::new("books", lifecycle.clone()),
        lifecycle,
        |_| {},
    );
    assert_eq!(refused.err().map(|error| error.kind()), Some(std::io::ErrorKind::AddrInUse));
}

fn any_request() -> impl Strategy<Value = String> {
    let method = prop_oneof![
        Just("GET"),
        Just("POST"),
        Just("DELETE"),
        Just("HEAD"),
        Just("OPTIONS"),
        Just("PUT"),
        Just("X")
    ];
    let path = prop_oneof![
        Just("/books".to_owned()),
        "/books/[0-9a-z%._-]{0,20}",
        "/books\\?(page|size|sort)=[!-~]{0,20}",
        "/books/search/findByUserId\\?userId=[!-~]{0,12}",
        "/actuator/[a-z/]{0,20}",
        "/[!-~]{0,30}",
    ];
    let header = prop_oneof![
        Just(String::new()),
        "Accept: [ -~]{0,30}\r\n",
        "Content-Type: [ -~]{0,30}\r\n",
        "(Host|X-Forwarded-Host|X-Forwarded-Port|X-Forwarded-Proto): [ -~]{0,30}\r\n",
        "(traceparent|X-Request-Id): [ -~]{0,60}\r\n",
    ];
    let body =
        prop_oneof![Just(String::new()), "\\{\"userId\":[ -~]{0,20},\"title\":[ -~]{0,20}\\}", ".{0,80}",];
    (method, path, header, body).prop_map(|(method, path, header, body)| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\n{header}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    })
}

/// Whatever comes, the answer is HTTP, is no 5xx, and is JSON when it has a body.
#[test]
fn no_request_breaks_the_server() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(start());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(400));
    runner
        .run(&any_request(), |request| {
            let answer = runtime.block_on(server.raw(&request));
            prop_assert!(answer.status < 500 || answer.status == 503, "{request:?}: {answer:?}");
            if answer.status >= 400 && !request.starts_with("HEAD") {
                answer.assert_problem(answer.status);
            } else if answer.header("content-type").is_some_and(|found| found.contains("json"))
                && !answer.body.is_empty()
            {
                answer.json();
            }
            Ok(())
        })
        .unwrap();
}

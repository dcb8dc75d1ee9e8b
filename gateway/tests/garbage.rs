//! Generated requests, most of them broken: the gateway answers or hangs up, is never to blame, and lets nothing through that
//! no route opens.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Mutex;

use proptest::{prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use support::{Client, Gateway, Service, get};

/// Pieces that requests are made of, and that they break on.
const PIECES: &[&str] = include!("corpora/pieces.rs");

fn requests() -> impl Strategy<Value = String> {
    let pieces = || proptest::collection::vec(select(PIECES), 0..12).prop_map(|pieces| pieces.concat());
    prop_oneof![
        // Anything at all.
        pieces(),
        // Good up to a point.
        (select(&["GET", "POST", "HEAD", "OPTIONS", "TRACE"][..]), "/[x./%25]{0,6}", pieces()).prop_map(
            |(method, path, rest)| format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{rest}\r\n\r\n")
        ),
        (pieces(), pieces())
            .prop_map(|(fields, body)| format!("POST /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")),
        ("[ -~\r\n]{0,60}", pieces()).prop_map(|(noise, rest)| noise + &rest),
    ]
}

#[tokio::test]
async fn generated_requests() {
    let service = Service::saying("ok").await;
    let mut hasty = support::settings(&[support::route("x", "/x/**", service.addr)]);
    hasty.server.header_timeout_ms = 100;
    hasty.server.body_timeout_ms = 100;
    hasty.server.keep_alive_ms = 300;
    let gateway = Gateway::start(hasty).await;
    let runner = Mutex::new(TestRunner::deterministic());
    let next = || requests().new_tree(&mut runner.lock().unwrap()).unwrap().current();
    let clients = (0..20).map(|_| async {
        for _ in 0..50 {
            let request = next();
            let mut client = Client::connect(gateway.addr).await;
            client.send(format!("{request}\r\n\r\n")).await;
            // Whatever comes, it ends, and no answer blames the gateway or the service.
            let mut head = request.starts_with("HEAD");
            loop {
                let answer = match std::mem::take(&mut head) {
                    true => client.try_answer_to_head().await,
                    false => client.try_answer().await,
                };
                let Some(answer) = answer else {
                    break;
                };
                assert!(answer.status < 500 || answer.status == 505, "{request:?}: {answer:?}");
            }
        }
    });
    futures::future::join_all(clients).await;
    for request in service.seen() {
        let target = request.request_line().split(' ').nth(1).unwrap();
        let path = target.split('?').next().unwrap();
        assert!(path == "/x" || path.starts_with("/x/"), "{request:?}");
        assert!(!path.contains("..") && !path.contains("//"), "{request:?}");
    }
    assert_eq!(get(gateway.addr, "/x").await.body, "ok");
}

/// A thousand clients that hang up in the middle of something leave nothing behind.
#[tokio::test]
async fn clients_that_hang_up() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::before(&service).await;
    for request in [
        "",
        "GET",
        "GET /x HTTP/1.1\r\nHost: a\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha",
    ] {
        let clients = (0..170).map(|_| async {
            let mut client = Client::connect(gateway.addr).await;
            client.send(request).await;
        });
        futures::future::join_all(clients).await;
    }
    assert_eq!(get(gateway.addr, "/x").await.body, "ok");
    // Half a request reaches no service as a whole one.
    assert!(service.seen().iter().all(|request| request.head.starts_with("GET /x ")));
}

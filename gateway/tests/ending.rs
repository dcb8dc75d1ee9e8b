//! SIGTERM: readiness off, serve on, tell everybody to leave, finish, leave.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use support::{Client, Gateway, Reply, Service, eventually, get, route, settings};
use tokio::sync::{mpsc, watch};

#[tokio::test]
async fn a_gateway_that_stops_serves_on_and_says_so() {
    let service = Service::saying("ok").await;
    let mut patient = settings(&[route("x", "/x/**", service.addr)]);
    patient.server.shutdown_delay_ms = 2000;
    let mut gateway = Gateway::start(patient).await;
    let mut kept = Client::connect(gateway.addr).await;
    let before = kept.ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(before.header("connection"), None);
    assert_eq!(get(gateway.addr, "/actuator/health/readiness").await.status, 200);

    gateway.stop();
    eventually("readiness is off", async || {
        get(gateway.addr, "/actuator/health/readiness").await.status == 503
    })
    .await;
    assert_eq!(get(gateway.addr, "/actuator/health/liveness").await.status, 200);
    // Both who is there and who comes is served, and told that this was the last time.
    let answer = kept.ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("ok", Some("close")));
    assert!(kept.is_closed().await);
    let mut new = Client::connect(gateway.addr).await;
    let answer = new.ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("ok", Some("close")));
    let addr = gateway.addr;
    gateway.stopped().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn what_is_in_flight_is_finished() {
    let (send, pieces) = mpsc::channel(4);
    let pieces = std::sync::Mutex::new(Some(pieces));
    let service = Service::start(move |_| match pieces.lock().unwrap().take() {
        Some(pieces) => Reply::Pieces(pieces),
        None => Reply::ok("ok"),
    })
    .await;
    let mut gateway = Gateway::before(&service).await;
    let mut idle = Client::connect(gateway.addr).await;
    let mut busy = Client::connect(gateway.addr).await;
    busy.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the service is asked", async || service.seen().len() == 1).await;
    assert_eq!(idle.ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.body, "ok");
    gateway.stop();
    // Nothing is waited for where nothing is in flight.
    assert!(idle.is_closed().await);
    send.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n".to_vec()).await.unwrap();
    send.send(b"done".to_vec()).await.unwrap();
    let answer = busy.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("done", Some("close")));
    gateway.stopped().await;
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let service = Service::start(|_| Reply::Silence).await;
    let mut hasty = settings(&[route("x", "/x/**", service.addr)]);
    hasty.server.shutdown_timeout_ms = 200;
    let mut gateway = Gateway::start(hasty).await;
    let mut client = Client::connect(gateway.addr).await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the service is asked", async || service.seen().len() == 1).await;
    let began = Instant::now();
    gateway.stop();
    gateway.stopped().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(client.try_answer().await.is_none());
    eventually("the call ends", async || service.ended() == 1).await;
}

/// Clients that never keep a connection, as siege does, while one gateway takes over the port from another.
#[tokio::test]
async fn the_port_is_handed_over() {
    let service = Service::saying("ok").await;
    let mut sharing = settings(&[route("x", "/x/**", service.addr)]);
    sharing.server.reuse_port = true;
    sharing.server.workers = 2;
    let mut old = Gateway::start(sharing.clone()).await;
    sharing.server.port = old.addr.port();
    let addr = old.addr;
    let (last, is_last) = watch::channel(false);
    let load = tokio::spawn(async move {
        let clients = (0..16).map(|_| async {
            let (mut asked, mut asked_the_last) = (0, false);
            while !asked_the_last {
                asked_the_last = *is_last.borrow();
                let answer = Client::connect(addr)
                    .await
                    .ask("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    .await;
                assert_eq!(answer.body, "ok");
                asked += 1;
            }
            asked
        });
        futures::future::join_all(clients).await.into_iter().sum::<usize>()
    });
    for _ in 0..3 {
        let new = Gateway::start(sharing.clone()).await;
        old.stop();
        old.stopped().await;
        old = new;
    }
    last.send_replace(true);
    assert!(load.await.unwrap() > 16);
}

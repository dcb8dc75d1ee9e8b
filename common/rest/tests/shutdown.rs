//! How a server ends.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use rest::ServerSettings;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_server_ends_in_order() {
    let mut server = start_with(
        ServerSettings { shutdown_delay_ms: 1000, shutdown_timeout_ms: 5000, ..settings() },
        |actuator| actuator,
    )
    .await;
    let mut idle = server.connect().await;
    idle.write_all(request("GET", "/books", "", "").as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut idle, false).await.status, 200);
    let mut kept = server.connect().await;
    kept.write_all(request("GET", "/books", "", "").as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut kept, false).await.header("connection"), None);

    let told = Instant::now();
    server.stop();
    // Not ready any more, and still serving: new connections too.
    eventually("readiness goes off", async || server.get("/actuator/health/readiness").await.status == 503)
        .await;
    assert_eq!(server.get("/books").await.status, 200);
    // Who keeps a connection busy until the server drains would lose the request that comes just then.
    kept.write_all(request("GET", "/books", "", "").as_bytes()).await.unwrap();
    let answer = read_answer(&mut kept, false).await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(told.elapsed() < Duration::from_millis(900));

    // In flight when the listener closes.
    let mut slow = server.connect().await;
    eventually("nearly draining", async || told.elapsed() > Duration::from_millis(850)).await;
    slow.write_all(request("GET", "/slow", "", "").as_bytes()).await.unwrap();
    let answer = read_answer(&mut slow, false).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(slow.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap(), 0, "idle connections are closed");

    server.task.await.unwrap().unwrap();
    assert!(
        told.elapsed() < Duration::from_millis(1900),
        "it ends with the last request: {:?}",
        told.elapsed()
    );
    assert!(tokio::net::TcpStream::connect(server.addr).await.is_err());
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let mut server = start_with(
        ServerSettings { request_timeout_ms: 60_000, shutdown_timeout_ms: 200, ..settings() },
        |actuator| actuator,
    )
    .await;
    let mut stuck = server.connect().await;
    stuck.write_all(request("GET", "/stuck", "", "").as_bytes()).await.unwrap();
    // Its turn has come when the next one on the same worker is answered.
    assert_eq!(server.get("/books").await.status, 200);
    let told = Instant::now();
    server.stop();
    (&mut server.task).await.unwrap().unwrap();
    let took = told.elapsed();
    assert!(took > Duration::from_millis(150) && took < Duration::from_millis(900), "{took:?}");
}

#[tokio::test]
async fn a_server_with_nothing_to_do_ends_at_once() {
    let mut server = start().await;
    let mut idle = server.connect().await;
    idle.write_all(request("GET", "/books", "", "").as_bytes()).await.unwrap();
    read_answer(&mut idle, false).await;
    let told = Instant::now();
    server.stop();
    (&mut server.task).await.unwrap().unwrap();
    assert!(told.elapsed() < Duration::from_millis(500), "{:?}", told.elapsed());
}

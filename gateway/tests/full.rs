//! All connections are taken: who rests longest makes room, and only where nobody rests is a client turned away.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Mutex;

use support::{Client, Gateway, Reply, Service, eventually, get, route, settings};
use tokio::sync::mpsc;

const REQUEST: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

async fn gateway(service: &Service, workers: usize, connections: usize) -> Gateway {
    let mut small = settings(&[route("x", "/x/**", service.addr)]);
    small.server.workers = workers;
    small.server.max_connections = connections;
    Gateway::start(small).await
}

#[tokio::test]
async fn who_rests_longest_makes_room() {
    let service = Service::saying("ok").await;
    let gateway = gateway(&service, 1, 3).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(gateway.addr).await;
        assert_eq!(client.ask(REQUEST).await.body, "ok");
        clients.push(client);
    }
    // The first one has asked again; now the second one rests longest.
    assert_eq!(clients[0].ask(REQUEST).await.body, "ok");
    let mut new = Client::connect(gateway.addr).await;
    assert_eq!(new.ask(REQUEST).await.body, "ok");
    assert!(clients[1].is_closed().await);
    for client in [&mut clients.remove(0), &mut clients.remove(1), &mut new] {
        assert_eq!(client.ask(REQUEST).await.body, "ok");
    }
}

/// What a kubelet asks, beside clients that hold every connection with nothing, or with half a head.
#[tokio::test]
async fn probes_find_room() {
    let service = Service::saying("ok").await;
    for workers in [1, 3] {
        for held in ["", "GET /x HTTP/1.1\r\nHo"] {
            let gateway = gateway(&service, workers, 8).await;
            let mut holders = Vec::new();
            for _ in 0..8 {
                let mut client = Client::connect(gateway.addr).await;
                client.send(held).await;
                holders.push(client);
            }
            for _ in 0..20 {
                for probe in ["liveness", "readiness"] {
                    assert_eq!(get(gateway.addr, &format!("/actuator/health/{probe}")).await.status, 200);
                }
            }
        }
    }
}

#[tokio::test]
async fn half_a_head_that_makes_room_is_told_so() {
    let service = Service::saying("ok").await;
    let gateway = gateway(&service, 1, 1).await;
    let mut slow = Client::connect(gateway.addr).await;
    slow.send("GET /x HTTP/1.1\r\nHo").await;
    let mut new = Client::connect(gateway.addr).await;
    assert_eq!(new.ask(REQUEST).await.body, "ok");
    let answer = slow.try_answer().await;
    // Unless it was accepted after its head had to be read.
    if let Some(answer) = answer {
        answer.is_problem(503);
    }
}

#[tokio::test]
async fn busy_connections_stay_and_one_more_is_turned_away() {
    let (speak, pieces) = mpsc::channel(1);
    let pieces = Mutex::new(Some(pieces));
    let service = Service::start(move |_| match pieces.lock().unwrap().take() {
        Some(pieces) => Reply::Pieces(pieces),
        None => Reply::ok("ok"),
    })
    .await;
    let gateway = gateway(&service, 3, 1).await;
    let mut busy = Client::connect(gateway.addr).await;
    busy.send(REQUEST).await;
    eventually("the service is asked", async || service.seen().len() == 1).await;
    let mut turned_away = Client::connect(gateway.addr).await;
    let answer = turned_away.answer().await;
    answer.is_problem(503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(turned_away.is_closed().await);
    let now = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nnow";
    speak.send(now.to_vec()).await.unwrap();
    assert_eq!(busy.answer().await.body, "now");
    // It rests again, and makes room, whichever worker has it.
    for _ in 0..10 {
        assert_eq!(get(gateway.addr, "/x").await.body, "ok");
    }
    assert!(busy.is_closed().await);
}

//! Idle connections: a process of its own, for it is its memory that is looked at.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use support::{Gateway, Service};

const BATCH: usize = 1500;

/// The first batch leaves buffers behind for the second: connections that are silent hold none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_cost_little() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::before(&service).await;
    let addr = gateway.addr;
    let mut connections = Vec::new();
    let mut resident = Vec::new();
    for _ in 0..3 {
        connections.extend(tokio::task::spawn_blocking(move || batch(addr)).await.unwrap());
        // They are silent for so long that everything is given back; the silence is what this is about.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        resident.push(resident_kb());
    }
    // With hyper and its buffers it would be some 20 kB.
    let growth = resident[2].saturating_sub(resident[0]) * 1024 / (2 * BATCH);
    assert!(growth < 8 * 1024, "{growth} bytes for each idle connection, {resident:?} kB");
    // And they still work.
    for connection in connections.iter_mut().step_by(100) {
        ask(connection);
    }
}

fn batch(addr: SocketAddr) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(addr).unwrap();
        ask(&mut stream);
        stream
    };
    (0..BATCH).map(connect).collect()
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200 OK"));
}

fn resident_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

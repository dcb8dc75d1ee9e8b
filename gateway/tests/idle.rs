//! Idle connections: a process of its own, for it is its memory that is looked at. What is alive on the heap is counted,
//! not what is resident: that is the same on every machine.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use peak_alloc::PeakAlloc;
use support::{Gateway, PATIENCE, Service};

/// Both ends are in this process, which may open 1024 files on many systems.
const CONNECTIONS: usize = 400;
/// The client's and the service's side of this process included. With hyper and its buffers it would be some 20 kB.
const LIMIT: usize = 3 * 1024;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_cost_little() {
    let service = Service::saying("ok").await;
    let gateway = Gateway::before(&service).await;
    let addr = gateway.addr;
    let before = HEAP.current_usage();
    let mut connections = tokio::task::spawn_blocking(move || connect(addr)).await.unwrap();
    let each = || HEAP.current_usage().saturating_sub(before) / CONNECTIONS;
    // They are silent until everything is given back.
    let deadline = Instant::now() + PATIENCE;
    while each() >= LIMIT && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(each() < LIMIT, "{} bytes for each idle connection", each());
    // And they still work.
    for connection in connections.iter_mut().step_by(100) {
        ask(connection);
    }
}

fn connect(addr: SocketAddr) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(addr).unwrap();
        ask(&mut stream);
        stream
    };
    (0..CONNECTIONS).map(connect).collect()
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200 OK"));
}

//! A network between two services that fails on call: a TCP proxy on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::ports;
use crate::waiting::PATIENCE;

/// What becomes of connections and of what goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Passes,
    /// Nobody listens.
    Refuses,
    /// Requests pass at once, answers come so much later.
    DelaysAnswers(Duration),
    /// Requests pass; with the first byte of the answer the connection breaks.
    CutsAnswers,
    /// Connections are taken, and nothing ever comes through them.
    Swallows,
}

/// The proxy. A change breaks the connections that are open: what is pooled must not outlive the network it was made on.
pub struct ChaosProxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    /// What the accepting task has come to.
    reached: watch::Receiver<Network>,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl ChaosProxy {
    /// Listens, and leads to `target`.
    pub fn start(target: SocketAddr) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        let (network, changes) = watch::channel(Network::Passes);
        // Whatever it is, it is not there yet.
        let (arrive, reached) = watch::channel(Network::Refuses);
        let requests = Arc::new(AtomicUsize::new(0));
        let link = Link { target, requests: requests.clone() };
        let task = crate::runtime().spawn(accept(address, changes, arrive, link));
        Self { address, network, reached, requests, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns once it is so.
    pub async fn set(&self, network: Network) {
        self.network.send_replace(network);
        let mut reached = self.reached.clone();
        reached.wait_for(|reached| *reached == network).await.expect("the proxy runs");
    }

    /// How many requests were sent into it so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Link {
    target: SocketAddr,
    requests: Arc<AtomicUsize>,
}

async fn accept(
    address: SocketAddr,
    mut changes: watch::Receiver<Network>,
    arrive: watch::Sender<Network>,
    link: Link,
) {
    loop {
        let network = *changes.borrow_and_update();
        // Dropped with everything in it when the network changes.
        let mut connections = JoinSet::new();
        let listener = match network {
            Network::Refuses => {
                until_closed(address).await;
                None
            }
            _ => Some(listen(address).await),
        };
        arrive.send_replace(network);
        loop {
            tokio::select! {
                changed = changes.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                Some((client, _)) = next(listener.as_ref()) => {
                    connections.spawn(connect(client, network, link.clone()));
                }
                Some(_) = connections.join_next() => {}
            }
        }
        connections.shutdown().await;
    }
}

/// A process that another story is starting holds a copy of every socket for a moment, between fork and exec.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

async fn listen(address: SocketAddr) -> TcpListener {
    let started = Instant::now();
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(started.elapsed() < PATIENCE, "{address}: {error}"),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn until_closed(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn next(listener: Option<&TcpListener>) -> Option<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await.ok(),
        None => std::future::pending().await,
    }
}

async fn connect(client: TcpStream, network: Network, link: Link) {
    let (from_client, to_client) = client.into_split();
    if network == Network::Swallows {
        let _held = to_client;
        return swallow(from_client, &link.requests).await;
    }
    // A target that is not there: the connection closes again, as it would behind a load balancer.
    let Ok(server) = TcpStream::connect(link.target).await else { return };
    let (from_server, to_server) = server.into_split();
    // Whichever side ends, both are closed.
    tokio::select! {
        () = pass_requests(from_client, to_server, &link.requests) => {}
        () = pass_answers(from_server, to_client, network) => {}
    }
}

async fn pass_requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, requests: &AtomicUsize) {
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        count(&buffer[..length], requests);
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn pass_answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, network: Network) {
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        match network {
            Network::CutsAnswers => return,
            Network::DelaysAnswers(delay) => tokio::time::sleep(delay).await,
            Network::Passes | Network::Refuses | Network::Swallows => {}
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn swallow(mut from: OwnedReadHalf, requests: &AtomicUsize) {
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        count(&buffer[..length], requests);
    }
}

/// The heads of requests begin with their method, and small requests come in one piece.
fn count(bytes: &[u8], requests: &AtomicUsize) {
    if [b"POST ".as_slice(), b"GET ", b"DELETE ", b"HEAD "].iter().any(|method| bytes.starts_with(method)) {
        requests.fetch_add(1, Ordering::SeqCst);
    }
}

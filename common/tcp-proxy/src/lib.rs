//! A network between two processes that fails on call: a TCP proxy on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// For a port to become free; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

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
    /// Connections are reset, open ones and new ones.
    Resets,
    /// Nothing passes and nothing breaks; afterwards all goes on as if nothing had been.
    Freezes,
}

impl Network {
    /// Whether a connection may outlive the change.
    fn keeps(self, next: Self) -> bool {
        let unbroken = |network| matches!(network, Self::Passes | Self::Freezes);
        unbroken(self) && unbroken(next)
    }
}

/// The proxy. A change breaks the connections that are open: what is pooled must not outlive the network it was made on.
/// Only between [`Network::Passes`] and [`Network::Freezes`] they stay. It ends with its owner.
pub struct TcpProxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    /// What the accepting task has come to.
    reached: watch::Receiver<Network>,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl TcpProxy {
    /// Listens at a port that the kernel gives it, and leads to `target`. It may lose that port while it
    /// [refuses](Network::Refuses).
    ///
    /// # Panics
    /// No port is free.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it listens");
        Self::run(&Handle::current(), (address, Some(listener)), vec![target])
    }

    /// Listens there, and leads to these in turn; one that refuses is passed over.
    pub fn between(runtime: &Handle, address: SocketAddr, targets: Vec<SocketAddr>) -> Self {
        Self::run(runtime, (address, None), targets)
    }

    fn run(
        runtime: &Handle,
        (address, listener): (SocketAddr, Option<TcpListener>),
        targets: Vec<SocketAddr>,
    ) -> Self {
        let (network, changes) = watch::channel(Network::Passes);
        // Whatever it is, it is not there yet.
        let (arrive, reached) = watch::channel(Network::Refuses);
        let requests = Arc::new(AtomicUsize::new(0));
        let link = Link { targets: targets.into(), next: Arc::default(), requests: requests.clone() };
        let task = runtime.spawn(accept((address, listener), changes, arrive, link));
        Self { address, network, reached, requests, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns once it is so.
    ///
    /// # Panics
    /// Somebody else has taken the port.
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

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Link {
    targets: Arc<[SocketAddr]>,
    next: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Link {
    async fn connect(&self) -> Option<TcpStream> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for number in 0..self.targets.len() {
            if let Ok(server) = TcpStream::connect(self.targets[(first + number) % self.targets.len()]).await
            {
                return Some(server);
            }
        }
        None
    }
}

async fn accept(
    (address, mut listener): (SocketAddr, Option<TcpListener>),
    mut changes: watch::Receiver<Network>,
    arrive: watch::Sender<Network>,
    link: Link,
) {
    loop {
        let mut network = *changes.borrow_and_update();
        // Dropped with everything in it when the network changes.
        let mut connections = JoinSet::new();
        if network == Network::Refuses {
            drop(listener.take());
            until_closed(address).await;
        } else if listener.is_none() {
            listener = Some(listen(address).await);
        }
        arrive.send_replace(network);
        loop {
            tokio::select! {
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let next = *changes.borrow_and_update();
                    if !network.keeps(next) {
                        break;
                    }
                    network = next;
                    arrive.send_replace(network);
                }
                Some((client, _)) = next(listener.as_ref()) => {
                    connections.spawn(connect(client, changes.clone(), link.clone()));
                }
                Some(_) = connections.join_next() => {}
            }
        }
        if *changes.borrow() == Network::Resets && network != Network::Swallows {
            // They end by themselves, and not in order.
            while connections.join_next().await.is_some() {}
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

async fn connect(client: TcpStream, mut changes: watch::Receiver<Network>, link: Link) {
    // Small packets to and fro: waiting for more of them would take 40 ms each time.
    let _ = client.set_nodelay(true);
    let network = *changes.borrow_and_update();
    if network == Network::Swallows {
        let (from_client, _held) = client.into_split();
        return swallow(from_client, &link.requests).await;
    }
    if network == Network::Resets {
        let _ = client.set_zero_linger();
        return;
    }
    // A target that is not there: the connection closes again, as it would behind a load balancer.
    let Some(server) = link.connect().await else { return };
    let _ = server.set_nodelay(true);
    let (from_client, mut to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let gate = || Gate(changes.clone());
    // Whichever side ends, both are closed.
    let reset = tokio::select! {
        () = pass_requests(from_client, to_server, gate(), &link.requests) => None,
        () = pass_answers(from_server, &mut to_client, gate(), network) => None,
        reset = changes.wait_for(|network| *network == Network::Resets) => reset.ok().map(drop),
    };
    if reset.is_some() {
        let _ = to_client.as_ref().set_zero_linger();
        // Without the polite end that dropping it would send.
        to_client.forget();
    }
}

/// Closed while the network is frozen.
struct Gate(watch::Receiver<Network>);

impl Gate {
    async fn pass(&mut self) {
        if self.0.wait_for(|network| *network != Network::Freezes).await.is_err() {
            // The proxy is gone, and this with it.
            std::future::pending::<()>().await;
        }
    }
}

async fn pass_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut gate: Gate,
    requests: &AtomicUsize,
) {
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        gate.pass().await;
        count(&buffer[..length], requests);
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    gate.pass().await;
}

async fn pass_answers(mut from: OwnedReadHalf, to: &mut OwnedWriteHalf, mut gate: Gate, network: Network) {
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        match network {
            Network::CutsAnswers => return,
            Network::DelaysAnswers(delay) => tokio::time::sleep(delay).await,
            _ => gate.pass().await,
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    gate.pass().await;
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

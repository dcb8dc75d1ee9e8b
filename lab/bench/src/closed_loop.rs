//! Closed loop: n connections, each sends its next request when the last one was answered.
//!
//! Finds what the system can do at most and what a request costs; says little about latency, because a slow system
//! slows this generator down too. For latency see [`crate::open_loop`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::tally::{Run, Tally};
use harness::Error;
use harness::http::{Answer, Client};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// Appends the request with this number to the buffer.
pub type Requests = Arc<dyn Fn(u64, &mut Vec<u8>) + Send + Sync>;
/// Sees every answer.
pub type Watch = Arc<dyn Fn(&Answer) + Send + Sync>;

#[derive(Clone, Copy, Debug)]
pub enum Until {
    Requests(u64),
    Elapsed(Duration),
}

pub struct ClosedLoop {
    pub address: SocketAddr,
    pub connections: usize,
    pub until: Until,
    pub requests: Requests,
    pub watch: Option<Watch>,
}

impl ClosedLoop {
    /// # Errors
    /// Nobody listens. Requests that fail later are counted, not returned.
    pub async fn run(&self) -> Result<Run, Error> {
        let mut clients = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let mut client = Client::new(self.address, PATIENCE);
            client.connect().await.map_err(Error::io(format!("connecting to {}", self.address)))?;
            clients.push(client);
        }
        let next = Arc::new(AtomicU64::new(0));
        let start = Instant::now();
        let mut workers = JoinSet::new();
        for client in clients {
            let worker = Worker {
                client,
                next: Arc::clone(&next),
                until: self.until,
                start,
                requests: Arc::clone(&self.requests),
                watch: self.watch.clone(),
            };
            workers.spawn(worker.run());
        }
        let mut tally = Tally::default();
        while let Some(worker) = workers.join_next().await {
            tally.add(&worker.map_err(|e| Error::unexpected(e.to_string()))?);
        }
        Ok(Run { elapsed: start.elapsed(), tally })
    }
}

struct Worker {
    client: Client,
    next: Arc<AtomicU64>,
    until: Until,
    start: Instant,
    requests: Requests,
    watch: Option<Watch>,
}

impl Worker {
    async fn run(mut self) -> Tally {
        let mut tally = Tally::default();
        let mut request = Vec::with_capacity(512);
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let over = match self.until {
                Until::Requests(requests) => number >= requests,
                Until::Elapsed(elapsed) => self.start.elapsed() >= elapsed,
            };
            if over {
                return tally;
            }
            request.clear();
            (self.requests)(number, &mut request);
            let sent = Instant::now();
            let outcome = self.client.send(&request).await;
            tally.record(&outcome, sent.elapsed());
            match outcome {
                Ok(answer) => {
                    if let Some(watch) = &self.watch {
                        watch(&answer);
                    }
                }
                // A server that is gone answers in no time: do not spin.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

//! Open loop: requests start at a constant rate, whatever the system does.
//!
//! Latency counts from the moment at which a request was meant to start, also when no connection was free just then,
//! so that a system that stalls cannot hide it (coordinated omission).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::closed_loop::{PATIENCE, Requests, Watch};
use crate::tally::{Latencies, Run, Tally};
use harness::Error;
use harness::http::Client;

pub struct OpenLoop {
    pub address: SocketAddr,
    /// Requests a second.
    pub rate: f64,
    pub length: Duration,
    /// At most this many requests are in flight; later ones wait, and their latency counts.
    pub connections: usize,
    pub requests: Requests,
    pub watch: Option<Watch>,
}

/// What came of it, with latencies from the intended start.
pub struct OpenRun {
    pub run: Run,
    /// Of good answers, from the moment at which the request was really sent: what a client saw that was not queued
    /// here first.
    pub from_sending: Latencies,
}

impl OpenLoop {
    /// # Errors
    /// Nobody listens. Requests that fail later are counted, not returned.
    pub async fn run(&self) -> Result<OpenRun, Error> {
        let total = (self.rate * self.length.as_secs_f64()).round() as u64;
        let mut workers = JoinSet::new();
        let due = Arc::new(Semaphore::new(0));
        let next = Arc::new(AtomicU64::new(0));
        let mut clients = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let mut client = Client::new(self.address, PATIENCE);
            client.connect().await.map_err(Error::io(format!("connecting to {}", self.address)))?;
            clients.push(client);
        }
        let schedule =
            Schedule { start: Instant::now() + Duration::from_millis(5), interval: 1.0 / self.rate };
        for client in clients {
            let worker = Worker {
                client,
                schedule,
                total,
                due: Arc::clone(&due),
                next: Arc::clone(&next),
                requests: Arc::clone(&self.requests),
                watch: self.watch.clone(),
            };
            workers.spawn(worker.run());
        }
        let pacer = pace(schedule, total, Arc::clone(&due));
        let mut tally = Tally::default();
        let mut from_sending = Latencies::default();
        while let Some(worker) = workers.join_next().await {
            let (one, sent) = worker.map_err(|e| Error::unexpected(e.to_string()))?;
            tally.add(&one);
            from_sending.add(&sent);
        }
        let elapsed = schedule.start.elapsed();
        if pacer.join().is_err() {
            return Err(Error::unexpected("the pacing thread ended early"));
        }
        Ok(OpenRun { run: Run { elapsed, tally }, from_sending })
    }
}

#[derive(Clone, Copy)]
struct Schedule {
    start: Instant,
    interval: f64,
}

impl Schedule {
    fn of(&self, number: u64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 * self.interval)
    }
}

/// A thread of its own: it sleeps to within some 50 microseconds, the runtime's timer only to the millisecond.
fn pace(schedule: Schedule, total: u64, due: Arc<Semaphore>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut released = 0;
        while released < total {
            let now = Instant::now();
            let mut ready = 0;
            while released + ready < total && schedule.of(released + ready) <= now {
                ready += 1;
            }
            if ready > 0 {
                due.add_permits(ready as usize);
                released += ready;
            } else {
                thread::sleep(schedule.of(released).saturating_duration_since(now));
            }
        }
        // Whoever still waits may go home.
        due.close();
    })
}

struct Worker {
    client: Client,
    schedule: Schedule,
    total: u64,
    due: Arc<Semaphore>,
    next: Arc<AtomicU64>,
    requests: Requests,
    watch: Option<Watch>,
}

impl Worker {
    async fn run(mut self) -> (Tally, Latencies) {
        let mut tally = Tally::default();
        let mut from_sending = Latencies::default();
        let mut request = Vec::with_capacity(512);
        loop {
            match self.due.acquire().await {
                Ok(permit) => permit.forget(),
                // Everything was released; what nobody took yet is taken now.
                Err(_) if self.next.load(Ordering::Relaxed) < self.total => {}
                Err(_) => return (tally, from_sending),
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.total {
                return (tally, from_sending);
            }
            request.clear();
            (self.requests)(number, &mut request);
            let sent = Instant::now();
            let outcome = self.client.send(&request).await;
            let answered = Instant::now();
            tally.record(&outcome, answered.saturating_duration_since(self.schedule.of(number)));
            if let Ok(answer) = &outcome {
                if answer.status < 400 {
                    from_sending.record(answered.duration_since(sent));
                }
                if let Some(watch) = &self.watch {
                    watch(answer);
                }
            }
        }
    }
}

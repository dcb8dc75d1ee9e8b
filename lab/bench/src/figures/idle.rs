use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::bench::{Bench, Measure};
use crate::report::Figure;
use harness::Error;
use harness::Service;
use harness::cpu::resident_bytes;
use harness::ground::Ground;
use harness::http::Client;

/// Resident memory of the gateway while many clients are connected and say nothing.
pub(super) struct Idle;

const PATH: &str = "/actuator/health/liveness";
/// Half of the times that all of them come and leave.
const WAVES: usize = 3;
/// Standard streams, logs, the runtime: descriptors that are not connections.
const SPARE: u64 = 200;
/// A connection that says nothing gives its buffers back after a second, and the allocator its pages a little later.
const AT_REST: Duration = Duration::from_secs(2);
const AT_REST_WITHIN: Duration = Duration::from_secs(20);

#[async_trait]
impl Measure for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn about(&self) -> &'static str {
        "memory of the gateway while 9,000 idle connections come and leave six times"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let wanted = bench.sizes.idle_connections;
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
        let n = wanted.min(limit.saturating_sub(SPARE) as usize);
        let ground = Ground::new(&bench.stage).await?;
        let system = bench.some(&[Service::Gateway], ground).await?;
        let pid = system.pid(Service::Gateway, 0).unwrap_or_default();
        let address = system.address(Service::Gateway)?;
        let before = resident_bytes(pid);
        // What was freed must serve again: a leak grows with each wave.
        let mut waves = Vec::with_capacity(2 * WAVES);
        for _ in 0..2 * WAVES {
            let clients = open(address, n).await?;
            waves.push(at_rest(pid).await);
            drop(clients);
            at_rest(pid).await;
        }
        bench.end(system).await?;
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        // The least of some: what is resident beyond that is what the allocator has not given back yet.
        let least = |waves: &[u64]| waves.iter().copied().min().unwrap_or_default();
        let (early, late) = (least(&waves[..WAVES]), least(&waves[WAVES..]));
        let each = early.saturating_sub(before) as f64 / 1e3 / n as f64;
        let shown =
            waves.iter().map(|wave| format!("{:.1}", megabytes(*wave))).collect::<Vec<_>>().join(", ");
        let note = format!("{:.1} MB before; with {n}, again and again: {shown}", megabytes(before));
        Ok(vec![
            Figure::new("idle_connection", each, "kB").note(note),
            Figure::new("idle_later_waves", megabytes(late) / megabytes(early), "x")
                .at_most(1.05)
                .note(format!("least of the later {WAVES} against least of the first {WAVES}")),
        ])
    }
}

/// What is resident once it has not become less for a while.
async fn at_rest(pid: u32) -> u64 {
    let start = Instant::now();
    let (mut least, mut since) = (resident_bytes(pid), start);
    while since.elapsed() < AT_REST && start.elapsed() < AT_REST_WITHIN {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = resident_bytes(pid);
        if now < least {
            (least, since) = (now, Instant::now());
        }
    }
    resident_bytes(pid)
}

/// Connections that have asked once, so that all that a connection needs is there.
async fn open(address: std::net::SocketAddr, n: usize) -> Result<Vec<Client>, Error> {
    let mut clients = Vec::with_capacity(n);
    for _ in 0..n {
        let mut client = Client::new(address, Duration::from_secs(10));
        client.get(PATH).await.map_err(Error::io("an idle connection"))?;
        clients.push(client);
    }
    Ok(clients)
}

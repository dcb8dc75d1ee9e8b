use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::bench::{Bench, Measure, SETTLED_WITHIN, progress};
use super::saturation;
use crate::closed_loop::{ClosedLoop, Until};
use crate::open_loop::OpenLoop;
use crate::report::Figure;
use crate::reservations::{self, Ids};
use crate::settle::await_settled;
use harness::Service;
use harness::{Error, System};

/// Customers who wait at the same time.
const CUSTOMERS: usize = 2000;
const RECOVERED_WITHIN: Duration = Duration::from_secs(30);
const PROBE: u64 = 50;

/// Twice as many reservations as the system can take.
pub(super) struct Overload;

#[async_trait]
impl Measure for Overload {
    fn name(&self) -> &'static str {
        "overload"
    }

    fn about(&self) -> &'static str {
        "twice the saturating rate: goodput, refusals, latency of the accepted, recovery"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let peak = saturation::rate(bench).await?;
        let mut system = bench.system().await?;
        let usual = probe(&system).await?;
        let ids = Ids::default();
        let load = OpenLoop {
            address: system.address(Service::Gateway)?,
            rate: 2.0 * peak,
            length: bench.sizes.overload,
            connections: CUSTOMERS,
            requests: reservations::reserve(),
            watch: Some(ids.watch()),
        };
        let open = load.run().await?;
        let tally = &open.run.tally;
        let over = Instant::now();
        progress(format!("{}; accepted: {}", tally.line(), open.from_sending.line()));
        let recovery = recover(&system, usual, over).await?;
        await_settled(&mut system, &ids, SETTLED_WITHIN + 2 * bench.sizes.overload).await?;
        let settled = over.elapsed();
        bench.end(system).await?;
        let note = format!("offered {:.0}/s by {CUSTOMERS} customers: {}", 2.0 * peak, tally.line());
        let good = open.run.rate();
        Ok(vec![
            Figure::new("overload_goodput", good / peak, "of the peak").at_least(0.9).note(note),
            Figure::new(
                "overload_not_in_order",
                tally.failed() as f64 / tally.total().max(1) as f64,
                "of all",
            )
            .at_most(0.0)
            .note("neither accepted nor refused with 429 or 503 and Retry-After"),
            Figure::new("overload_refused_p99", tally.refused.quantile_ms(0.99), "ms")
                .note(format!("{} refused; from the intended start", tally.refused.count())),
            Figure::new("overload_accepted_p99", open.from_sending.quantile_ms(0.99), "ms")
                .note("from sending: without the queue of the generator"),
            Figure::new("overload_recovery", recovery.as_secs_f64(), "s")
                .below(5.0)
                .note(format!("until ten connections are served as before; all settled after {settled:.1?}")),
        ])
    }
}

/// p99 of a few reservations at ten connections.
async fn probe(system: &System) -> Result<f64, Error> {
    let load = ClosedLoop {
        address: system.address(Service::Gateway)?,
        connections: 10,
        until: Until::Requests(PROBE),
        requests: reservations::reserve(),
        watch: None,
    };
    let tally = load.run().await?.tally;
    let all_good = tally.good.count() == PROBE;
    Ok(if all_good { tally.good.quantile_ms(0.99) } else { f64::INFINITY })
}

/// Until a probe is answered whole and in about its usual time.
async fn recover(system: &System, usual: f64, since: Instant) -> Result<Duration, Error> {
    // Twice, and never under what one stutter of the machine takes.
    let accepted = (2.0 * usual).max(50.0);
    while since.elapsed() < RECOVERED_WITHIN {
        if probe(system).await? <= accepted {
            return Ok(since.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Error::unexpected(format!("not served as before {RECOVERED_WITHIN:?} after an overload")))
}

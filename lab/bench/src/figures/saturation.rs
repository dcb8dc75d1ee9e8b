use std::sync::Arc;

use async_trait::async_trait;

use super::bench::{Bench, Measure, SETTLED_WITHIN, progress};
use crate::closed_loop::{ClosedLoop, Until};
use crate::open_loop::OpenLoop;
use crate::plot::{Plot, Series};
use crate::report::Figure;
use crate::reservations::{self, Ids};
use crate::settle::await_settled;
use crate::tally::median;
use harness::Error;
use harness::Service;

const CONNECTIONS: [usize; 4] = [8, 32, 100, 200];
/// Of the saturating rate.
const SHARES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];
/// More than are ever in flight while the system keeps up.
const OPEN_CONNECTIONS: usize = 200;

/// How many reservations the system takes at most, and how long one takes at half of that.
pub(super) struct Saturation;

#[async_trait]
impl Measure for Saturation {
    fn name(&self) -> &'static str {
        "saturation"
    }

    fn about(&self) -> &'static str {
        "saturating rate of POST through the gateway, and its latency over the rate (open loop)"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let peak = rate(bench).await?;
        let mut system = bench.system().await?;
        let requests = reservations::reserve();
        let (mut p50s, mut p99s) = (Vec::new(), Vec::new());
        let mut figures = vec![
            Figure::new("saturating_rate", peak, "/s")
                .note("POST through the gateway, closed loop; generator on the same cores"),
        ];
        for share in SHARES {
            let at_half = share == 0.5;
            let rounds = if at_half { bench.sizes.rounds } else { 1 };
            let (mut p50, mut p99, mut failed) = (Vec::new(), Vec::new(), 0);
            for _ in 0..rounds {
                let ids = Ids::default();
                let open = OpenLoop {
                    address: system.address(Service::Gateway)?,
                    rate: peak * share,
                    length: bench.sizes.run,
                    connections: OPEN_CONNECTIONS,
                    requests: Arc::clone(&requests),
                    watch: Some(ids.watch()),
                };
                let tally = open.run().await?.run.tally;
                progress(format!("{:.0}/s: {} ({})", peak * share, tally.good.line(), tally.line()));
                p50.push(tally.good.quantile_ms(0.5));
                p99.push(tally.good.quantile_ms(0.99));
                failed += tally.failed();
                await_settled(&mut system, &ids, SETTLED_WITHIN).await?;
            }
            p50s.push((peak * share, median(&p50)));
            p99s.push((peak * share, median(&p99)));
            if at_half {
                let note = format!("at {:.0}/s, from the intended start; {failed} failed", peak * share);
                figures.push(Figure::new("latency_p50", median(&p50), "ms").below(3.0).note(&note));
                figures.push(Figure::new("latency_p99", median(&p99), "ms").below(10.0).note(note));
            }
        }
        let series = [
            Series { name: "p50".to_owned(), points: p50s },
            Series { name: "p99".to_owned(), points: p99s },
        ];
        let title = "POST /preReservations through the gateway";
        bench.plot(
            "latency-over-rate",
            &Plot {
                title,
                x: "reservations a second",
                y: "milliseconds",
                logarithmic: false,
                series: &series,
            },
        )?;
        bench.end(system).await?;
        Ok(figures)
    }
}

/// The best rate of the closed loops.
/// Reservations a second that the system takes at most; measured once.
///
/// # Errors
/// The system failed.
pub(super) async fn rate(bench: &Bench) -> Result<f64, Error> {
    bench.saturation.get_or_try_init(|| find(bench)).await.copied()
}

async fn find(bench: &Bench) -> Result<f64, Error> {
    let mut system = bench.system().await?;
    let requests = reservations::reserve();
    let address = system.address(Service::Gateway)?;
    let mut best: f64 = 0.0;
    for connections in CONNECTIONS {
        let ids = Ids::default();
        let until = Until::Elapsed(bench.sizes.run);
        let requests = Arc::clone(&requests);
        let run =
            ClosedLoop { address, connections, until, requests, watch: Some(ids.watch()) }.run().await?;
        progress(format!(
            "{connections} connections: {:.0}/s, {} ({})",
            run.rate(),
            run.tally.good.line(),
            run.tally.line()
        ));
        // A rate at which requests fail is not one that the system takes.
        if run.tally.failed() * 1000 <= run.tally.total() {
            best = best.max(run.rate());
        }
        await_settled(&mut system, &ids, SETTLED_WITHIN).await?;
    }
    bench.end(system).await?;
    if best > 0.0 {
        Ok(best)
    } else {
        Err(Error::unexpected("requests failed at every number of connections"))
    }
}

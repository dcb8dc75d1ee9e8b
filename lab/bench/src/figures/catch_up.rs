use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::bench::{Bench, Measure, SETTLED_WITHIN, progress};
use super::saturation;
use crate::loader::{self, Fact};
use crate::open_loop::OpenLoop;
use crate::report::Figure;
use crate::reservations::{self, Ids};
use crate::settle::{await_settled, await_total};
use crate::tally::Tally;
use harness::Service;
use harness::{Error, System};

/// Ids that no reservation of this run gets.
const FIRST: i64 = 1_000_000_000;
/// Of the saturating rate: there must be something left to catch up with.
const SHARE: f64 = 0.25;
const OPEN_CONNECTIONS: usize = 200;

/// A receipt service comes back after many reservations; reserving goes on meanwhile.
pub(super) struct CatchUp;

#[async_trait]
impl Measure for CatchUp {
    fn name(&self) -> &'static str {
        "catch-up"
    }

    fn about(&self) -> &'static str {
        "receipt, started after 100,000 reservations: receipts a second, and what it does to reservations meanwhile"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let missed = bench.sizes.missed;
        let rate = saturation::rate(bench).await? * SHARE;
        let mut system = bench.system().await?;
        let warm = Ids::default();
        load(&system, rate, bench.sizes.run, &warm).await?;
        await_settled(&mut system, &warm, SETTLED_WITHIN).await?;
        system.stop_one(Service::Receipt, 0).await?;
        loader::publish(system.ground(), FIRST, missed, &[Fact::Reservation, Fact::Payment]).await?;
        // The view is not what is measured here; it shall be done with them.
        let view = crate::settle::total(&system, Service::Myreservation, "myReservations").await?;
        let wanted = view.max(missed + warm.len());
        await_total(&mut system, Service::Myreservation, "myReservations", wanted, SETTLED_WITHIN * 2)
            .await?;

        let ids = Ids::default();
        let calm = load(&system, rate, bench.sizes.run * 2, &ids).await?;
        progress(format!("without receipt: {}", calm.good.line()));
        let caught_up = missed + ids.len();
        let receipts = caught_up + warm.len();
        let started = Instant::now();
        let open = open_loop(system.address(Service::Gateway)?, rate, bench.sizes.run * 2, &ids);
        let reserving = tokio::spawn(async move { open.run().await });
        system.start_one(Service::Receipt, 0).await?;
        await_total(&mut system, Service::Receipt, "receipts", receipts, SETTLED_WITHIN * 5).await?;
        let elapsed = started.elapsed();
        let busy = reserving.await.map_err(|e| Error::unexpected(e.to_string()))??.run.tally;
        progress(format!("{caught_up} receipts in {elapsed:.1?}; meanwhile: {}", busy.good.line()));
        await_settled(&mut system, &ids, SETTLED_WITHIN).await?;
        bench.end(system).await?;
        let slower = busy.good.quantile_ms(0.5) / calm.good.quantile_ms(0.5);
        Ok(vec![
            Figure::new("catch_up_rate", caught_up as f64 / elapsed.as_secs_f64(), "/s")
                .at_least(10_000.0)
                .note(format!(
                    "{caught_up} receipts, from receipt's start, beside {rate:.0} reservations a second"
                )),
            Figure::new("catch_up_slows_reservations", slower, "x").at_most(1.1).note(format!(
                "p50 during / before; p99 {:.1} and {:.1} ms; {} failed",
                busy.good.quantile_ms(0.99),
                calm.good.quantile_ms(0.99),
                busy.failed()
            )),
        ])
    }
}

async fn load(system: &System, rate: f64, length: Duration, ids: &Ids) -> Result<Tally, Error> {
    Ok(open_loop(system.address(Service::Gateway)?, rate, length, ids).run().await?.run.tally)
}

fn open_loop(address: std::net::SocketAddr, rate: f64, length: Duration, ids: &Ids) -> OpenLoop {
    let requests = reservations::reserve();
    OpenLoop { address, rate, length, connections: OPEN_CONNECTIONS, requests, watch: Some(ids.watch()) }
}

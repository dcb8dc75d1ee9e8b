use async_trait::async_trait;

use super::bench::{Bench, Measure, progress};
use crate::closed_loop::Until;
use crate::loader::{self, Fact};
use crate::report::Figure;
use crate::reservations::{self, PAGE_OF_20, VIEW};
use crate::settle::await_total;
use crate::tally::median;
use harness::Service;
use harness::cpu::{Sample, generator};
use harness::ground::Ground;
use harness::{Error, System};

const CONNECTIONS: usize = 32;
const ROWS: u64 = 1000;

/// `GET /myReservations?size=20` through the gateway: how many a second, and what one costs.
pub(super) struct List;

#[async_trait]
impl Measure for List {
    fn name(&self) -> &'static str {
        "list"
    }

    fn about(&self) -> &'static str {
        "GET /myReservations?size=20 through the gateway: throughput and CPU; and of one item"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let system = loaded(bench, ROWS).await?;
        let (page_cost, page_rate, note) = cost(bench, &system, PAGE_OF_20).await?;
        let (item_cost, item_rate, item_note) = cost(bench, &system, "/myReservations/1").await?;
        bench.end(system).await?;
        Ok(vec![
            Figure::new("list_cpu", page_cost, "us").below(60.0).note(&note),
            Figure::new("list_rate", page_rate, "/s").at_least(20_000.0).note("generator on the same cores"),
            Figure::new("item_cpu", item_cost, "us").note(item_note),
            Figure::new("item_rate", item_rate, "/s").note("generator on the same cores"),
        ])
    }
}

/// Gateway and view over so many rows.
pub(super) async fn loaded(bench: &Bench, rows: u64) -> Result<System, Error> {
    let ground = Ground::new(&bench.stage).await?;
    loader::publish(&ground, 1, rows, &[Fact::Reservation, Fact::Payment, Fact::Receipt]).await?;
    let mut system = bench.some(&[Service::Gateway, Service::Myreservation], ground).await?;
    let view = VIEW.trim_start_matches('/');
    await_total(&mut system, Service::Myreservation, view, rows, super::bench::SETTLED_WITHIN).await?;
    loader::analyze(system.ground(), Service::Myreservation).await?;
    Ok(system)
}

async fn cost(bench: &Bench, system: &System, path: &str) -> Result<(f64, f64, String), Error> {
    let groups = system.groups()?;
    let requests = reservations::get(path);
    let (mut costs, mut rates, mut note) = (Vec::new(), Vec::new(), String::new());
    for round in 0..=bench.sizes.rounds {
        let before = Sample::take(&groups);
        let generator_before = Sample::take(&[generator()]);
        let until = Until::Elapsed(bench.sizes.run);
        let run = bench.load(system, Service::Gateway, CONNECTIONS, until, &requests).await?;
        let used = Sample::take(&groups).since(&before);
        let apart = Sample::take(&[generator()]).since(&generator_before);
        let good = run.tally.good.count();
        if run.tally.failed() > 0 || good == 0 {
            return Err(Error::unexpected(format!("GET {path}: {}", run.tally.line())));
        }
        // The first one warms up.
        if round > 0 {
            costs.push(used.total().as_secs_f64() * 1e6 / good as f64);
            rates.push(run.rate());
            note = format!("{}; apart: {}; {}", used.per(good), apart.per(good), run.tally.good.line());
            progress(format!("{path}: {:.1} us, {:.0}/s; {note}", costs[costs.len() - 1], run.rate()));
        }
    }
    Ok((median(&costs), median(&rates), note))
}

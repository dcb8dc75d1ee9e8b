use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::bench::{Bench, Measure, progress};
use super::{cpu, memory, page};
use crate::loader::{self, Fact};
use crate::plot::{Plot, Series};
use crate::report::Figure;
use crate::reservations::Ids;
use crate::settle::{await_settled, await_total};
use crate::tally::median;
use harness::Error;
use harness::System;
use harness::ground::Ground;
use harness::{Plan, Service};

const SMALLEST: u64 = 1000;
const FEWEST_RESERVATIONS: u64 = 200;
const WITHIN: Duration = Duration::from_secs(900);

/// What a reservation, a page, a search and a rebuild cost over the number of rows that are there already.
pub(super) struct Rows;

#[async_trait]
impl Measure for Rows {
    fn name(&self) -> &'static str {
        "rows"
    }

    fn about(&self) -> &'static str {
        "cost of a reservation, a page, a search, and of a row of a rebuild, at 1e3 to 1e6 rows; memory of all six over the most"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let mut series: Vec<Series> = Vec::new();
        let mut resident = Vec::new();
        let mut rows = SMALLEST;
        while rows <= bench.sizes.rows {
            let (system, costs) = costs(bench, rows).await?;
            if rows * 10 > bench.sizes.rows {
                let when = format!("over {rows} rows that were loaded");
                resident = memory::of_many(bench, &system, &when).await?;
            }
            bench.end(system).await?;
            for (name, cost) in costs {
                match series.iter_mut().find(|series| series.name == name) {
                    Some(series) => series.points.push((rows as f64, cost)),
                    None => series.push(Series { name: name.to_owned(), points: vec![(rows as f64, cost)] }),
                }
            }
            rows *= 10;
        }
        let (title, x, y) = ("Cost over rows", "rows", "microseconds of CPU");
        bench.plot("cost-over-rows", &Plot { title, x, y, logarithmic: true, series: &series })?;
        Ok(series.iter().map(flatness).chain(resident).collect())
    }
}

/// How much dearer the dearest is than the cheapest.
fn flatness(series: &Series) -> Figure {
    let costs = series.points.iter().map(|point| point.1);
    let (least, most) =
        costs.fold((f64::MAX, 0.0_f64), |(least, most), cost| (least.min(cost), most.max(cost)));
    let points = series.points.iter().map(|(rows, cost)| format!("{cost:.0} us at {rows:.0e}"));
    let note = points.collect::<Vec<_>>().join(", ");
    Figure::new(format!("rows_{}", series.name), most / least, "x").at_most(1.2).note(note)
}

async fn costs(bench: &Bench, rows: u64) -> Result<(System, Vec<(&'static str, f64)>), Error> {
    let (mut system, rebuild) = filled(bench, rows).await?;
    let (mut reservations, mut pages, mut searches) = (Vec::new(), Vec::new(), Vec::new());
    let n = (bench.sizes.reservations / 2).max(FEWEST_RESERVATIONS.min(bench.sizes.reservations));
    cpu::warm_up(&mut system, n / 2).await?;
    for _ in 0..bench.sizes.rounds {
        reservations.push(cpu::round(&mut system, n).await?.0 * 1000.0);
        pages.push(page::cost(bench, &system, "/myReservations?size=20").await?);
        searches
            .push(page::cost(bench, &system, "/myReservations/search/findByUserId?userId=7&size=1").await?);
    }
    let costs = vec![
        ("reservation", median(&reservations)),
        ("page", median(&pages)),
        ("search", median(&searches)),
        ("rebuild", rebuild),
    ];
    progress(format!("{rows} rows: {costs:.1?}"));
    Ok((system, costs))
}

/// All six over so many reservations, and what it cost the view to take a fact, in microseconds of CPU.
async fn filled(bench: &Bench, rows: u64) -> Result<(System, f64), Error> {
    let ground = Ground::new(&bench.stage).await?;
    let start = Instant::now();
    // These two make their tables, and are filled while nobody uses them.
    let owners = bench.some(&[Service::Prereservation, Service::Payment], ground).await?;
    let ground = owners.stop().await?;
    loader::insert(&ground, rows).await?;
    loader::publish(&ground, 1, rows, &[Fact::Reservation, Fact::Payment]).await?;
    // The view alone first: what it takes is measured.
    let mut view = bench.some(&[Service::Myreservation], ground).await?;
    let groups = view.groups()?;
    let before = harness::cpu::Sample::take(&groups);
    await_total(&mut view, Service::Myreservation, "myReservations", rows, WITHIN).await?;
    let used = harness::cpu::Sample::take(&groups).since(&before).total();
    let ground = view.stop().await?;
    let mut system = System::start(Plan::all()?, ground).await?;
    await_total(&mut system, Service::Receipt, "receipts", rows, WITHIN).await?;
    await_settled(&mut system, &Ids::of(vec![rows as i64]), WITHIN).await?;
    for service in [Service::Receipt, Service::Myreservation] {
        loader::analyze(system.ground(), service).await?;
    }
    progress(format!("{rows} rows are there after {:.1?}", start.elapsed()));
    Ok((system, used.as_secs_f64() * 1e6 / (2 * rows) as f64))
}

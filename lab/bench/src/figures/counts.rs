use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::bench::{Bench, Measure, SETTLED_WITHIN, progress};
use crate::closed_loop::{ClosedLoop, Until};
use crate::counts::{Counters, limits, postgres, sqlite};
use crate::report::Figure;
use crate::reservations::{self, Ids};
use crate::settle::await_settled;
use harness::Service;
use harness::{Error, System};

/// Statements, transactions and flushes of one reservation, with limits.
pub(super) struct Counts;

/// Enough to make the rounding of the idle part small.
const RESERVATIONS: u64 = 50;
const WARM_UP: u64 = 5;
/// Between two reservations.
const TO_SETTLE: Duration = Duration::from_millis(100);
const IDLE: Duration = Duration::from_secs(3);
const STATEMENTS_SHOWN: i64 = 8;

#[async_trait]
impl Measure for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn about(&self) -> &'static str {
        "regression guard: statements, transactions, commits and fsyncs of one reservation, against lab/bench/limits.toml"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let mut system = bench.system().await?;
        let mut figures = guard(&mut system).await?;
        for figure in &mut figures {
            figure.failed = figure.met == Some(false);
        }
        if let Some(infra) = &bench.stage.infra
            && figures.iter().any(|figure| figure.met == Some(false))
        {
            for service in Service::ALL.into_iter().filter(|service| service.has_database()) {
                for (text, n) in
                    postgres::busiest(infra, system.ground(), service.name(), STATEMENTS_SHOWN).await?
                {
                    progress(format!("{}: {n} x {text}", service.name()));
                }
            }
        }
        bench.end(system).await?;
        Ok(figures)
    }
}

/// The counts of this system, judged.
pub(super) async fn guard(system: &mut System) -> Result<Vec<Figure>, Error> {
    let warm = one_by_one(system, WARM_UP).await?;
    await_settled(system, &warm, SETTLED_WITHIN).await?;
    let before_idle = read(system).await?;
    let idle_since = Instant::now();
    tokio::time::sleep(IDLE).await;
    let after_idle = read(system).await?;
    let idle_time = idle_since.elapsed();
    let started = Instant::now();
    let ids = one_by_one(system, RESERVATIONS).await?;
    let after = read(system).await?;
    let elapsed = started.elapsed();
    await_settled(system, &ids, SETTLED_WITHIN).await?;
    // What reading waits for is idle time too; the readings are as long apart as the clock says.
    let idle_a_second = after_idle.since(&before_idle).scaled(1.0 / idle_time.as_secs_f64());
    let idle = idle_a_second.scaled(elapsed.as_secs_f64());
    let each = after.since(&after_idle).without(&idle).scaled(1.0 / RESERVATIONS as f64);
    let limits = limits::of(system.ground().stage().against())?;
    Ok(with_totals(each, &limits)
        .into_iter()
        .map(|(name, n)| figure(&name, n, limits.get(&name).copied()))
        .collect())
}

fn figure(name: &str, n: f64, limit: Option<f64>) -> Figure {
    let figure = Figure::new(name, n, "per reservation");
    match limit {
        Some(limit) => figure.at_most(limit),
        None => figure,
    }
}

/// Adds "commits.total" and so on; names that only the limits know are zero.
fn with_totals(each: Counters, limits: &BTreeMap<String, f64>) -> Vec<(String, f64)> {
    let mut all = each.0;
    let kinds: Vec<String> =
        all.keys().filter_map(|name| name.split_once('.')).map(|(kind, _)| kind.to_owned()).collect();
    for kind in kinds {
        let total = format!("{kind}.total");
        if !all.contains_key(&total) {
            let sum =
                all.iter().filter(|(name, _)| name.starts_with(&format!("{kind}."))).map(|(_, n)| n).sum();
            all.insert(total, sum);
        }
    }
    for name in limits.keys() {
        all.entry(name.clone()).or_default();
    }
    all.into_iter().collect()
}

async fn read(system: &System) -> Result<Counters, Error> {
    match &system.ground().stage().infra {
        Some(infra) => postgres::read(infra, system.ground()).await,
        None => sqlite::commits(system.ground().directory()),
    }
}

/// One at a time, each with time to settle before the next. Nobody asks whether it has: that would be counted too. On a
/// machine that needs longer some work is shared, and the counts become lower.
async fn one_by_one(system: &System, n: u64) -> Result<Ids, Error> {
    let ids = Ids::default();
    let address = system.address(Service::Gateway)?;
    for _ in 0..n {
        let watch = Some(ids.watch());
        let requests = reservations::reserve();
        let one = ClosedLoop { address, connections: 1, until: Until::Requests(1), requests, watch };
        let tally = one.run().await?.tally;
        if tally.good.count() == 0 {
            return Err(Error::unexpected(format!("a reservation was answered with {}", tally.line())));
        }
        tokio::time::sleep(TO_SETTLE).await;
    }
    tokio::time::sleep(10 * TO_SETTLE).await;
    Ok(ids)
}

use std::time::Duration;

use async_trait::async_trait;

use super::bench::{Bench, Measure, SETTLED_WITHIN, progress};
use crate::closed_loop::{ClosedLoop, Until};
use crate::report::Figure;
use crate::reservations::{self, Ids, PAGE_OF_20};
use crate::settle::await_settled;
use harness::Service;
use harness::{Error, System};

const CONNECTIONS: usize = 10;
/// A million takes a quarter of an hour.
const MANY_CONNECTIONS: usize = 200;
/// So many reservations between two looks at the memory.
const STEP: u64 = 5000;
const MANY_READERS: usize = 1000;

/// Resident memory of the six processes together after reservations over HTTP.
pub(super) struct Memory;

/// The same after a million, and with a thousand readers at once. Takes ten to twenty minutes.
pub(super) struct MemoryOfAMillion;

#[async_trait]
impl Measure for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn about(&self) -> &'static str {
        "resident memory of the six processes after 10,000 reservations"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let n = bench.sizes.memory;
        let mut system = bench.system().await?;
        reserve(bench, &mut system, n, CONNECTIONS).await?;
        let figure = resident("memory", &system).below(100.0);
        bench.end(system).await?;
        Ok(vec![noted(figure, &format!("after {n} reservations"))])
    }
}

#[async_trait]
impl Measure for MemoryOfAMillion {
    fn name(&self) -> &'static str {
        "memory-million"
    }

    fn about(&self) -> &'static str {
        "the same after 1,000,000 over HTTP and under 1,000 readers; a quarter of an hour, not part of all: rows has it over loaded rows"
    }

    fn in_all(&self) -> bool {
        false
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let n = bench.sizes.rows;
        let mut system = bench.system().await?;
        reserve(bench, &mut system, n, MANY_CONNECTIONS).await?;
        let figures = of_many(bench, &system, &format!("after {n} reservations")).await?;
        bench.end(system).await?;
        Ok(figures)
    }
}

async fn reserve(bench: &Bench, system: &mut System, n: u64, connections: usize) -> Result<(), Error> {
    let address = system.address(Service::Gateway)?;
    let mut done = 0;
    while done < n {
        let step = STEP.min(n - done);
        let ids = Ids::default();
        let until = Until::Requests(step);
        let requests = reservations::reserve();
        let run = ClosedLoop { address, connections, until, requests, watch: Some(ids.watch()) };
        let run = run.run().await?;
        if run.tally.good.count() != step {
            return Err(Error::unexpected(format!("of {step} reservations: {}", run.tally.line())));
        }
        done += step;
        if done.is_multiple_of(50_000) || done == n {
            await_settled(system, &ids, SETTLED_WITHIN + Duration::from_millis(n)).await?;
            progress(format!("{done} reservations, {}", resident("", system).note));
        }
    }
    // What was needed for the last requests may go.
    tokio::time::sleep(bench.sizes.run).await;
    Ok(())
}

/// Resident now, and under [`MANY_READERS`] at once.
pub(super) async fn of_many(bench: &Bench, system: &System, when: &str) -> Result<Vec<Figure>, Error> {
    let after = noted(resident("memory_of_many", system).below(120.0), when);
    let until = Until::Elapsed(bench.sizes.run * 3);
    let requests = reservations::get(PAGE_OF_20);
    let run = bench.load(system, Service::Gateway, MANY_READERS, until, &requests).await?;
    let read = resident("memory_of_many_readers", system).below(120.0);
    let note = format!("{}; after {MANY_READERS} readers at once: {}", read.note, run.tally.line());
    Ok(vec![after, read.note(note)])
}

fn resident(name: &str, system: &System) -> Figure {
    let resident = system.resident();
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let total = megabytes(resident.values().sum());
    let parts = resident.iter().map(|(name, bytes)| format!("{name} {:.1}", megabytes(*bytes)));
    Figure::new(name, total, "MB").note(parts.collect::<Vec<_>>().join(", "))
}

fn noted(figure: Figure, when: &str) -> Figure {
    let note = format!("{when}: {}", figure.note);
    figure.note(note)
}

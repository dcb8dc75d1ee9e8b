use async_trait::async_trait;

use super::bench::{Bench, Measure, SETTLED_WITHIN, progress};
use crate::closed_loop::{ClosedLoop, Until};
use crate::report::Figure;
use crate::reservations::{self, Ids};
use crate::settle::await_settled;
use crate::tally::median;
use harness::Service;
use harness::cpu::{Sample, generator};
use harness::ground::Against;
use harness::{Error, System};

const CONNECTIONS: usize = 10;
/// When everyone comes at once: what is written at the same time shares transactions.
const RUSH: [usize; 2] = [50, 200];

/// CPU of all six services and PostgreSQL for one reservation, from the request to everything settled.
pub(super) struct Cpu;

#[async_trait]
impl Measure for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn about(&self) -> &'static str {
        "CPU per reservation at 10, 50 and 200 connections through the gateway, until paid, receipt and view are done"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let mut system = bench.system().await?;
        let n = bench.sizes.reservations;
        // Pools, caches, prepared statements.
        warm_up(&mut system, n / 4).await?;
        let (mut costs, mut note) = (Vec::new(), String::new());
        for _ in 0..bench.sizes.rounds {
            let (cost, parts) = round(&mut system, n).await?;
            progress(format!("{cost:.3} ms: {parts}"));
            costs.push(cost);
            note = parts;
        }
        let goal = match bench.stage.against() {
            Against::Embedded => 0.25,
            Against::Real => 0.4,
        };
        let mut figures =
            vec![Figure::new("cpu_per_reservation", median(&costs), "ms").below(goal).note(note)];
        for connections in RUSH {
            let n = n.max(20 * connections as u64);
            let (mut costs, mut note) = (Vec::new(), String::new());
            for _ in 0..bench.sizes.rounds {
                let (cost, parts) = round_of(&mut system, connections, n).await?;
                progress(format!("{cost:.3} ms at {connections} connections: {parts}"));
                costs.push(cost);
                note = parts;
            }
            let name = format!("cpu_per_reservation_{connections}");
            figures.push(Figure::new(name, median(&costs), "ms").below(goal).note(note));
        }
        bench.end(system).await?;
        Ok(figures)
    }
}

/// Reservations that are not measured, and may be refused.
pub(super) async fn warm_up(system: &mut System, n: u64) -> Result<(), Error> {
    let ids = Ids::default();
    let load = ClosedLoop {
        address: system.address(Service::Gateway)?,
        connections: CONNECTIONS,
        until: Until::Requests(n),
        requests: reservations::reserve(),
        watch: Some(ids.watch()),
    };
    load.run().await?;
    await_settled(system, &ids, SETTLED_WITHIN).await.map(drop)
}

/// Milliseconds for each of `n`, and by whom.
pub(super) async fn round(system: &mut System, n: u64) -> Result<(f64, String), Error> {
    round_of(system, CONNECTIONS, n).await
}

async fn round_of(system: &mut System, connections: usize, n: u64) -> Result<(f64, String), Error> {
    let groups = system.groups()?;
    let others = apart(system);
    let ids = Ids::default();
    let load = ClosedLoop {
        address: system.address(Service::Gateway)?,
        connections,
        until: Until::Requests(n),
        requests: reservations::reserve(),
        watch: Some(ids.watch()),
    };
    let (before, others_before) = (Sample::take(&groups), Sample::take(&others));
    let run = load.run().await?;
    await_settled(system, &ids, SETTLED_WITHIN).await?;
    let used = Sample::take(&groups).since(&before);
    let others = Sample::take(&others).since(&others_before);
    let good = run.tally.good.count();
    if good != n {
        return Err(Error::unexpected(format!("of {n} reservations: {}", run.tally.line())));
    }
    let note =
        format!("{}; apart: {}; {:.0}/s, {}", used.per(n), others.per(n), run.rate(), run.tally.good.line());
    Ok((used.total().as_secs_f64() * 1000.0 / n as f64, note))
}

/// Shown, not counted: the generator, and Kafka.
fn apart(system: &System) -> Vec<harness::cpu::Group> {
    let kafka = system.ground().stage().infra.as_ref().and_then(|infra| infra.kafka().ok());
    [generator()].into_iter().chain(kafka).collect()
}

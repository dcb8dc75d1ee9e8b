use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::bench::{Bench, Measure, progress};
use crate::loader::{self, Fact};
use crate::report::Figure;
use crate::settle::await_total;
use harness::Error;
use harness::Service;
use harness::cpu::Sample;
use harness::ground::Ground;

/// An empty view reads the whole topic.
pub(super) struct Rebuild;

const WITHIN: Duration = Duration::from_secs(600);

#[async_trait]
impl Measure for Rebuild {
    fn name(&self) -> &'static str {
        "rebuild"
    }

    fn about(&self) -> &'static str {
        "an empty view reads 1,000,000 facts: facts a second"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        // Three facts a reservation: reserved, paid, receipt.
        let reservations = (bench.sizes.rows / 3).max(1);
        let (rate, note) =
            rebuild(bench, reservations, &[Fact::Reservation, Fact::Payment, Fact::Receipt]).await?;
        Ok(vec![Figure::new("rebuild_rate", rate, "facts/s").at_least(50_000.0).note(note)])
    }
}

async fn rebuild(bench: &Bench, reservations: u64, facts: &[Fact]) -> Result<(f64, String), Error> {
    let ground = Ground::new(&bench.stage).await?;
    let n = reservations * facts.len() as u64;
    let start = Instant::now();
    loader::publish(&ground, 1, reservations, facts).await?;
    progress(format!("{n} facts published in {:.1?}", start.elapsed()));
    let start = Instant::now();
    let mut view = bench.some(&[Service::Myreservation], ground).await?;
    let groups = view.groups()?;
    // PostgreSQL has other work behind it; the view began with its start.
    let before = Sample::take(&groups);
    await_total(&mut view, Service::Myreservation, "myReservations", reservations, WITHIN).await?;
    await_last(&mut view, reservations).await?;
    let elapsed = start.elapsed();
    let used = Sample::take(&groups).since(&before);
    bench.end(view).await?;
    let note = format!(
        "{n} facts of {reservations} reservations in {elapsed:.1?}, from its start; CPU a fact: {}",
        used.per(n)
    );
    progress(&note);
    Ok((n as f64 / elapsed.as_secs_f64(), note))
}

/// The total is complete with the first fact of each reservation; the receipt's is the last one.
async fn await_last(view: &mut harness::System, reservations: u64) -> Result<(), Error> {
    let mut client =
        harness::http::Client::new(view.address(Service::Myreservation)?, Duration::from_secs(10));
    let start = Instant::now();
    let last = reservations.saturating_sub(20).max(1)..=reservations;
    for id in last {
        let path = format!("/myReservations/{id}");
        loop {
            let answer = client.get(&path).await.map_err(Error::io(format!("GET {path}")))?;
            if String::from_utf8_lossy(&answer.body).contains("\"receipt_issued\"") {
                break;
            }
            if start.elapsed() > WITHIN {
                return Err(Error::unexpected(format!(
                    "the receipt of {id} is not in the view after {WITHIN:?}"
                )));
            }
            view.must_run()?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

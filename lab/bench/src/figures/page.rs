use async_trait::async_trait;

use super::bench::{Bench, Measure, progress};
use crate::closed_loop::Until;
use crate::loader::{self, Fact};
use crate::report::Figure;
use crate::reservations;
use crate::settle::await_total;
use crate::tally::median;
use harness::Service;
use harness::cpu::Sample;
use harness::ground::Ground;
use harness::{Error, System};

const FEW: u64 = 1000;
const CONNECTIONS: usize = 4;
const WITHIN: std::time::Duration = std::time::Duration::from_secs(600);

/// A page of 20 out of few rows and out of many, in turn.
pub(super) struct Page;

#[async_trait]
impl Measure for Page {
    fn name(&self) -> &'static str {
        "page"
    }

    fn about(&self) -> &'static str {
        "a page of 20 out of 1,000 and out of 1,000,000 rows of the view: first, last, middle, sorted, searched"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let many = bench.sizes.rows.max(2 * FEW);
        let small = view_of(bench, FEW).await?;
        let large = view_of(bench, many).await?;
        let mut figures = Vec::new();
        for (name, few, many_path) in pages(many) {
            let (mut ratios, mut note) = (Vec::new(), String::new());
            for _ in 0..bench.sizes.rounds {
                let a = cost(bench, &small, &few).await?;
                let b = cost(bench, &large, &many_path).await?;
                ratios.push(b / a);
                note = format!("{a:.0} us of CPU out of {FEW}, {b:.0} us out of {many}");
            }
            progress(format!("{name}: {ratios:.2?} {note}"));
            figures.push(Figure::new(format!("page_{name}"), median(&ratios), "x").at_most(1.2).note(note));
        }
        bench.end(small).await?;
        bench.end(large).await?;
        Ok(figures)
    }
}

/// Name, path on the small view, path on the large one.
fn pages(many: u64) -> Vec<(&'static str, String, String)> {
    let page = |rows: u64, share: f64| {
        format!("/myReservations?size=20&page={}", ((rows / 20 - 1) as f64 * share) as u64)
    };
    let both = |share: f64| (page(FEW, share), page(many, share));
    let same = |path: &str| (path.to_owned(), path.to_owned());
    let pages = [
        ("first", both(0.0)),
        ("last", both(1.0)),
        ("middle", both(0.5)),
        ("sorted", same("/myReservations?size=20&sort=price,desc")),
        // On the small view this user has one row; what a row costs is judged by `rows`.
        ("searched", same("/myReservations/search/findByUserId?userId=7&size=1")),
    ];
    pages.into_iter().map(|(name, (few, many))| (name, few, many)).collect()
}

/// The view alone over so many rows, each of one fact.
pub(super) async fn view_of(bench: &Bench, rows: u64) -> Result<System, Error> {
    let ground = Ground::new(&bench.stage).await?;
    loader::publish(&ground, 1, rows, &[Fact::Reservation]).await?;
    let mut view = bench.some(&[Service::Myreservation], ground).await?;
    await_total(&mut view, Service::Myreservation, "myReservations", rows, WITHIN).await?;
    loader::analyze(view.ground(), Service::Myreservation).await?;
    Ok(view)
}

/// Microseconds of CPU (view and PostgreSQL) for one answer.
pub(super) async fn cost(bench: &Bench, view: &System, path: &str) -> Result<f64, Error> {
    let groups = view.groups()?;
    let requests = reservations::get(path);
    let run = |until| bench.load(view, Service::Myreservation, CONNECTIONS, until, &requests);
    run(Until::Requests(50)).await?;
    let before = Sample::take(&groups);
    let run = run(Until::Elapsed(bench.sizes.run / 2)).await?;
    let used = Sample::take(&groups).since(&before);
    let good = run.tally.good.count();
    if run.tally.failed() > 0 || good == 0 {
        return Err(Error::unexpected(format!("GET {path}: {}", run.tally.line())));
    }
    Ok(used.total().as_secs_f64() * 1e6 / good as f64)
}

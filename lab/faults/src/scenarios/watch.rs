//! Looks into the databases all the time, as nobody else does: how long something is neither this nor that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::customers::Shop;
use crate::snapshot::Reader;
use bench::tally::Latencies;
use harness::{Error, Ground};

const EVERY: Duration = Duration::from_millis(250);

/// A task that looks until it is told to stop. A database that is away shows nothing.
pub(super) struct Watch<T> {
    stop: Arc<AtomicBool>,
    task: JoinHandle<T>,
}

impl<T: Send + 'static> Watch<T> {
    /// `look` is called with what the databases of these services answer.
    fn start<const N: usize>(
        ground: &Ground,
        queries: [(&'static str, &'static str); N],
        mut seen: T,
        look: impl Fn(&mut T, [BTreeSet<i64>; N]) + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let queries =
            queries.map(|(name, text)| (ground.database(name).unwrap_or_default().to_owned(), name, text));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::SeqCst) {
                if let Ok(ids) = ask(&queries).await {
                    look(&mut seen, ids);
                }
                tokio::time::sleep(EVERY).await;
            }
            seen
        });
        Self { stop, task }
    }

    /// # Errors
    /// It ended by itself.
    pub(super) async fn stop(self) -> Result<T, Error> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.map_err(|error| Error::unexpected(error.to_string()))
    }
}

async fn ask<const N: usize>(
    queries: &[(String, &'static str, &'static str); N],
) -> Result<[BTreeSet<i64>; N], Error> {
    let mut answers = [const { BTreeSet::new() }; N];
    for ((url, name, text), answer) in queries.iter().zip(&mut answers) {
        answer.extend(Reader::at(url, name).await?.ids(text).await?);
    }
    Ok(answers)
}

/// Since when which reservation is open, and how long those were that are not any more.
#[derive(Default)]
pub(super) struct Spells {
    open: BTreeMap<i64, Instant>,
    pub(super) ended: Latencies,
}

impl Spells {
    fn look(&mut self, open: &BTreeSet<i64>) {
        let now = Instant::now();
        let ended = &mut self.ended;
        self.open.retain(|id, since| {
            let still = open.contains(id);
            if !still {
                ended.record(now - *since);
            }
            still
        });
        for id in open {
            self.open.entry(*id).or_insert(now);
        }
    }
}

/// Reservations that wait for their payment, charges and refunds under way, and payments of what is cancelled.
pub(super) fn open_reservations(ground: &Ground) -> Watch<Spells> {
    let queries = [
        ("prereservation", "SELECT id FROM reservation WHERE status = 'pending'"),
        ("prereservation", "SELECT id FROM reservation WHERE status = 'reservation_cancelled'"),
        ("payment", "SELECT reservation_id FROM payment WHERE status IN ('charging', 'refunding')"),
        ("payment", "SELECT reservation_id FROM payment WHERE status = 'paid'"),
    ];
    Watch::start(ground, queries, Spells::default(), |spells, [mut open, cancelled, moving, paid]| {
        open.extend(moving);
        open.extend(cancelled.intersection(&paid));
        spells.look(&open);
    })
}

/// When each reservation was first seen whole in the view, since the run began.
pub(super) fn view(ground: &Ground, shop: &Arc<Shop>) -> Watch<BTreeMap<i64, Duration>> {
    let shop = Arc::clone(shop);
    let queries =
        [("myreservation", "SELECT id FROM my_reservation WHERE receipt_status = 'receipt_issued'")];
    Watch::start(ground, queries, BTreeMap::new(), move |seen, [whole]| {
        let now = shop.book.now();
        for id in whole {
            seen.entry(id).or_insert(now);
        }
    })
}

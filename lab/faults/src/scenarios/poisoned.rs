//! Records that nobody can read: whoever has nothing to do with them must not notice.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::act::{Act, Played};
use super::watch;
use crate::orders::{Habits, Told};
use crate::run::{Place, Show, plan};
use crate::settings::Settings;
use bench::report::Figure;
use bench::tally::Latencies;
use harness::Error;

/// Many times what it takes without them.
const LATE: Duration = Duration::from_secs(5);
/// Before dead letters are looked after: all others have to be whole by then.
const SETTLE: Duration = Duration::from_secs(6);
const STALLED: Duration = Duration::from_secs(120);

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    let reservations = act.size(5_000, 150);
    let (seed, replicas, poison) = (act.seed, act.replicas, 1.0);
    let settings = Settings { seed, reservations, kills: 0, replicas, customers: 8, poison };
    let habits = Habits { cancels: 10, reads: 0, races: 0, ..Habits::default() };
    let show = Show::open(place, &settings, habits, plan(replicas)?).await?;
    let view = watch::view(show.system.ground(), &show.shop);
    show.shop.allowed.store(u64::MAX, Ordering::SeqCst);
    let mut last = (0, show.shop.book.now());
    while !show.shop.is_done() && show.shop.book.now() - last.1 < STALLED {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if show.shop.book.reserved() != last.0 {
            last = (show.shop.book.reserved(), show.shop.book.now());
        }
    }
    tokio::time::sleep(SETTLE).await;
    let seen = view.stop().await?;
    let outcome = show.close(Vec::new()).await?;

    let poisoned: BTreeSet<i64> = outcome.pages.poisoned.iter().copied().collect();
    let facts = &outcome.verdict.snapshot.facts;
    let mut lateness = Latencies::default();
    let (mut late, mut stalled) = (0, BTreeSet::new());
    for entry in outcome.pages.orders.values().filter(|entry| entry.told == Told::Reserved) {
        let (Some(id), Some(told_at)) = (entry.id, entry.told_at) else { continue };
        if poisoned.contains(&id) || outcome.pages.cancels.contains_key(&id) {
            continue;
        }
        let after = seen.get(&id).map(|seen_at| seen_at.saturating_sub(told_at));
        lateness.record(after.unwrap_or(Duration::MAX));
        if after.is_none_or(|after| after > LATE) {
            late += 1;
            stalled.extend(facts.iter().filter(|fact| fact.reservation == id).map(|fact| fact.partition));
        }
    }
    let left = outcome.verdict.snapshot.unfinished.len();
    let figures = vec![
        Figure::new("bad_records", outcome.pages.poisoned.len() as f64, "")
            .note(format!("for {} reservations", poisoned.len())),
        Figure::new("others_late", f64::from(late), "").at_most(0.0).note(format!(
            "not whole in the view 5 s after 201; of {} others: {} (looked at every 250 ms)",
            lateness.count(),
            lateness.line()
        )),
        Figure::new("partitions_stalled", stalled.len() as f64, "").at_most(0.0),
        Figure::new("left_after_replay", left as f64, "").at_most(0.0).note("after replay and discard"),
    ];
    Ok(Played { figures, outcome: Some(outcome) })
}

//! Cancellations that come while the card is being charged, through kills and broken networks.

use std::sync::atomic::Ordering;

use super::act::{Act, Played};
use crate::orders::{Habits, Pages};
use crate::run::{Place, Show, plan};
use crate::schedule::{self, Scene};
use crate::settings::Settings;
use bench::report::Figure;
use harness::Error;

const RACES_PER_KILL: u64 = 500;

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    let wanted = act.size(10_000, 100);
    let kills = (wanted / RACES_PER_KILL).max(2);
    let (seed, replicas) = (act.seed, act.replicas);
    let settings = Settings { seed, reservations: u64::MAX, kills, replicas, customers: 16, poison: 0.0 };
    let habits = Habits { declines: 2, cancels: 10, reads: 0, races: 100, ..Habits::default() };
    let scene = Scene { reservations: wanted, kills, replicas, real: place.infrastructure.is_some() };
    let schedule = schedule::of(seed, scene);
    let mut show = Show::open(place, &settings, habits, plan(replicas)?).await?;
    let mut nemesis = show.nemesis(|shop| shop.book.raced());
    nemesis.carry_out(&schedule).await?;
    nemesis.await_progress(wanted).await;
    show.shop.closed.store(true, Ordering::SeqCst);
    let outcome = show.close(schedule).await?;
    let [meanwhile, soon] = races(&outcome.pages);
    let broken =
        outcome.totals().iter().find(|(name, _)| *name == "charged_and_cancelled").map_or(0, |t| t.1);
    let figures = vec![
        Figure::new("races", meanwhile as f64, "")
            .at_least(wanted as f64)
            .note(format!("cancelled while they were asked for; {soon} more within 50 ms of the answer")),
        Figure::new("charged_and_cancelled", broken as f64, "").at_most(0.0),
    ];
    Ok(Played { figures, outcome: Some(outcome) })
}

/// How many were cancelled by a request that was sent between order and answer, and how many just after it.
fn races(pages: &Pages) -> [usize; 2] {
    let mut races = [0, 0];
    for entry in pages.orders.values() {
        let taken_at = entry.id.and_then(|id| pages.cancels.get(&id)?.taken_at);
        let (Some(taken), Some(asked), Some(told)) = (taken_at, entry.asked_at, entry.told_at) else {
            continue;
        };
        if taken >= asked && taken <= told {
            races[0] += 1;
        } else if taken >= told && taken.saturating_sub(told).as_millis() < 50 {
            races[1] += 1;
        }
    }
    races
}

//! Everybody has an account, and tokens are required: customers renew their sessions while services are killed, and guests are
//! banned. Nobody banned gets in, and nobody else is kept out.

use super::act::{Act, Played};
use crate::accounts;
use crate::guests::BOUND;
use crate::orders::Habits;
use crate::run::{Place, Show, plan};
use crate::schedule::{self, Scene};
use crate::settings::Settings;
use bench::report::Figure;
use harness::{Error, Service};

const RESERVATIONS_PER_KILL: u64 = 50;

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    let reservations = act.size(2_000, 60);
    let kills = (reservations / RESERVATIONS_PER_KILL).max(3);
    let (seed, replicas) = (act.seed, act.replicas);
    let settings = Settings { seed, reservations, kills, replicas, customers: 8, poison: 0.0 };
    let habits = Habits { accounts: true, ..Habits::default() };
    let scene = Scene { reservations, kills, replicas, real: place.infrastructure.is_some() };
    let schedule = schedule::of(seed, scene);
    let plan = plan(replicas)?
        .with(None, "AUTH_MODE", "required")
        .with(Some(Service::Account), "ADMIN_EMAIL", accounts::ADMIN_EMAIL)
        .with(Some(Service::Account), "ADMIN_PASSWORD", accounts::ADMIN_PASSWORD);
    let mut show = Show::open(place, &settings, habits, plan).await?;
    show.nemesis(|shop| shop.book.reserved()).carry_out(&schedule).await?;
    let outcome = show.close(schedule).await?;
    let bans = &outcome.pages.bans;
    let slowest = bans.iter().max().map_or(0.0, std::time::Duration::as_secs_f64);
    let figures = vec![
        Figure::new("bans", bans.len() as f64, "").at_least(1.0),
        Figure::new("ban_to_refusal", slowest, "s")
            .at_most(BOUND.as_secs_f64())
            .note("the slowest, through kills and broken networks"),
    ];
    Ok(Played { figures, outcome: Some(outcome) })
}

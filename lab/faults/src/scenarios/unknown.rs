//! Requests to payment that arrive and are never answered, by the thousand: every one of them is found out or undone.

use std::sync::atomic::Ordering;
use std::time::Duration;

use harness::chaos::Network;

use super::act::{Act, Played};
use super::watch;
use crate::links::Link;
use crate::orders::Habits;
use crate::rng::Rng;
use crate::run::{Place, Show, plan};
use crate::schedule::{Step, Trouble, Victim};
use crate::settings::Settings;
use bench::report::Figure;
use harness::{Error, Service};

const RESOLVED_WITHIN_MS: f64 = 60_000.0;
const ROUNDS_PER_KILL: usize = 8;
/// So many in which no request came through: nobody asks any more.
const VAIN_ROUNDS: usize = 30;

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    let wanted = act.size(2_000, 40);
    let (seed, replicas, poison) = (act.seed, act.replicas, 0.0);
    let settings = Settings { seed, reservations: u64::MAX, kills: 0, replicas, customers: 32, poison };
    let habits = Habits { cancels: 5, reads: 0, races: 0, ..Habits::default() };
    // A breaker that opens would spare payment these requests.
    let plan = plan(replicas)?
        .with(Some(Service::Prereservation), "CIRCUIT_BREAKER_SLIDING_WINDOW_SIZE", "10000")
        .with(Some(Service::Prereservation), "CIRCUIT_BREAKER_MINIMUM_NUMBER_OF_CALLS", "10000")
        .with(Some(Service::Payment), "PROVIDER_ERROR_RATE", "0.1");
    let mut show = Show::open(place, &settings, habits, plan).await?;
    let spells = watch::open_reservations(show.system.ground());
    show.shop.allowed.store(u64::MAX, Ordering::SeqCst);
    let mut rng = Rng::fork(seed, 1);
    let (mut unknown, mut vain, mut steps) = (0, 0, Vec::new());
    for round in 1.. {
        let before = show.links.requests(Link::Payment);
        let network = match rng.below(3) {
            0 => Network::CutsAnswers,
            1 => Network::DelaysAnswers(Duration::from_secs(3)),
            _ => Network::Swallows,
        };
        show.links.set(Link::Payment, network).await;
        tokio::time::sleep(Duration::from_millis(rng.between(300, 1800))).await;
        if round % ROUNDS_PER_KILL == 0 {
            let service = [Service::Payment, Service::Prereservation][round / ROUNDS_PER_KILL % 2];
            let victim = Victim::Service(service, 0);
            let step = Step { at: unknown, trouble: Trouble::None, wait_ms: 0, victim, down_ms: 200 };
            show.nemesis(|shop| shop.book.reserved()).carry_out_one(step.clone()).await?;
            steps.push(step);
        }
        // What was asked in this time was never answered: the change breaks what is still open.
        show.links.set(Link::Payment, Network::Passes).await;
        let more = (show.links.requests(Link::Payment) - before) as u64;
        unknown += more;
        vain = if more == 0 { vain + 1 } else { 0 };
        eprintln!("{unknown:>6} of {wanted} outcomes unknown; {} reserved", show.shop.book.reserved());
        if unknown >= wanted {
            show.shop.closed.store(true, Ordering::SeqCst);
            break;
        }
        if vain == VAIN_ROUNDS {
            show.shop.close("nothing was asked of payment any more");
            break;
        }
        tokio::time::sleep(Duration::from_millis(rng.between(50, 300))).await;
    }
    let outcome = show.close(steps).await?;
    let spells = spells.stop().await?.ended;
    let figures = vec![
        Figure::new("unknown_outcomes", unknown as f64, "").at_least(wanted as f64),
        Figure::new("longest_open", spells.longest_ms(), "ms").below(RESOLVED_WITHIN_MS).note(format!(
            "of {} reservations that were seen open, looked at every 250 ms: {}",
            spells.count(),
            spells.line()
        )),
    ];
    Ok(Played { figures, outcome: Some(outcome) })
}

//! One run: the system on empty data, customers, faults, quiet, audit.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::accounts::Accounts;
use crate::customers::{self, Shop};
use crate::guests;
use crate::infrastructure::Infrastructure;
use crate::links::Links;
use crate::nemesis::{Deeds, Nemesis};
use crate::orders::Habits;
use crate::outcome::Outcome;
use crate::schedule::{self, Scene, Step};
use crate::settings::Settings;
use crate::{poison, quiet};
use harness::{Error, Ground, Plan, Service, Stage, System};

/// What is still open then never ends by itself.
const QUIET_WITHIN: Duration = Duration::from_secs(60);
/// Everything runs, and nothing was reserved for so long: nothing will be.
const STALLED: Duration = Duration::from_secs(120);
/// For customers and operator to have the last word: that takes as long as the machine takes, and is nobody's promise.
const LAST_WORDS: Duration = Duration::from_secs(300);
const REPEATED: usize = 100;

/// Where runs take place.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub stage: &'a Arc<Stage>,
    /// None on files.
    pub infrastructure: Option<&'a Infrastructure>,
    /// Leave data and logs.
    pub keep: bool,
}

/// # Errors
/// Something that belongs to the runner, not to the system, failed: no verdict.
pub async fn run(place: Place<'_>, settings: &Settings) -> Result<Outcome, Error> {
    let scene = Scene {
        reservations: settings.reservations,
        kills: settings.kills,
        replicas: settings.replicas,
        real: place.stage.infra.is_some(),
    };
    let schedule = schedule::of(settings.seed, scene);
    let mut show = Show::open(place, settings, Habits::default(), plan(settings.replicas)?).await?;
    show.nemesis(|shop| shop.book.reserved()).carry_out(&schedule).await?;
    show.close(schedule).await
}

/// A network that takes its time and fails now and then; patience for a busy machine.
///
/// # Errors
/// No port is free.
pub fn plan(replicas: usize) -> Result<Plan, Error> {
    let mut plan = Plan::all()?;
    for service in Service::ALL {
        for _ in 1..replicas {
            plan.add_replica(service)?;
        }
    }
    Ok(plan
        .with(Some(Service::Prereservation), "PAYMENT_CLIENT_TIMEOUT_MS", "1500")
        .with(Some(Service::Prereservation), "CIRCUIT_BREAKER_SLOW_CALL_DURATION_THRESHOLD_MS", "1400")
        .with(Some(Service::Prereservation), "CIRCUIT_BREAKER_WAIT_DURATION_IN_OPEN_STATE_MS", "500")
        .with(Some(Service::Payment), "PROVIDER_LATENCY_MAX_MS", "40")
        .with(Some(Service::Payment), "PROVIDER_ERROR_RATE", "0.02"))
}

/// The system with its customers, while it runs.
pub struct Show<'a> {
    place: Place<'a>,
    settings: Settings,
    start: Instant,
    pub system: System,
    pub links: Links,
    pub shop: Arc<Shop>,
    pub deeds: Deeds,
    visitors: JoinSet<()>,
}

impl<'a> Show<'a> {
    /// Customers come in as the shop allows: nobody yet.
    ///
    /// # Errors
    /// The system does not start.
    pub async fn open(
        place: Place<'a>,
        settings: &Settings,
        habits: Habits,
        plan: Plan,
    ) -> Result<Self, Error> {
        let start = Instant::now();
        let ground = Ground::new(place.stage).await?;
        let doors = place.infrastructure.map(|infrastructure| &infrastructure.doors);
        let (plan, links) = Links::lay(plan, &ground, settings.replicas, doors)?;
        let system = System::start(plan, ground).await?;
        let gateways = system.plan().addresses(Service::Gateway).to_vec();
        let mut shop = Shop::new(settings.seed, gateways.clone(), habits, settings.reservations);
        if habits.accounts {
            shop.accounts = Some(Accounts::open(gateways).await?);
        }
        let shop = Arc::new(shop);
        let mut visitors = JoinSet::new();
        for _ in 0..if habits.accounts { guests::GUESTS } else { 0 } {
            visitors.spawn(guests::be_a_guest(Arc::clone(&shop)));
        }
        for till in 0..settings.customers {
            let number = usize::try_from(till).unwrap_or_default();
            visitors.spawn(customers::shop(Arc::clone(&shop), number, settings.customers));
        }
        if settings.poison > 0.0 {
            let (log, topic) = (system.ground().open_log().await?, system.ground().event_log.topic.clone());
            visitors.spawn(poison::poison(Arc::clone(&shop), log, topic, settings.poison));
        }
        let (settings, deeds) = (settings.clone(), Deeds::default());
        Ok(Self { place, settings, start, system, links, shop, deeds, visitors })
    }

    pub fn nemesis(&mut self, progress: fn(&Shop) -> u64) -> Nemesis<'_> {
        Nemesis {
            system: &mut self.system,
            shop: &self.shop,
            links: &self.links,
            replicas: self.settings.replicas,
            infrastructure: self.place.infrastructure,
            deeds: &mut self.deeds,
            progress,
        }
    }

    /// Lets the customers come to an end, waits for quiet, and audits. Leaves nothing behind, unless something was found
    /// or everything is to be kept.
    ///
    /// # Errors
    /// Something cannot be brought back or read: no verdict.
    pub async fn close(mut self, schedule: Vec<Step>) -> Result<Outcome, Error> {
        self.shop.allowed.store(u64::MAX, Ordering::SeqCst);
        self.nemesis(|shop| shop.book.reserved()).all_run().await?;
        let running_since = Instant::now();
        let Self { place, settings, start, system, shop, deeds, mut visitors, links } = self;
        eprintln!("everything runs again; {} reserved", shop.book.reserved());
        all_served(&shop, &mut visitors).await;
        customers::ask_again(&shop, Instant::now() + LAST_WORDS).await;
        if settings.poison > 0.0 {
            let discarded = poison::clean_up(&system, Instant::now() + LAST_WORDS).await?;
            eprintln!("{discarded} dead letters discarded after a replay");
        }
        customers::repeat(&shop, REPEATED).await;
        let deadline = Instant::now() + QUIET_WITHIN;
        eprintln!("waiting for quiet, then auditing");
        let verdict = quiet::verdict(system.ground(), &shop, running_since, deadline).await?;
        let mut outcome = Outcome {
            settings,
            against: place.stage.against().name(),
            schedule,
            kills: deeds.kills,
            took_seconds: start.elapsed().as_secs_f64(),
            notes: deeds.notes,
            ended: deeds.ended,
            verdict,
            pages: std::mem::take(&mut *shop.book.pages()),
        };
        outcome.notes.push(load_average());
        let stopped = system.stop().await;
        drop(links);
        match stopped {
            Ok(ground) if place.keep || outcome.failed() => {
                eprintln!("data and logs stay in {}", ground.keep().display());
            }
            Ok(ground) => ground.remove().await?,
            // Its data went with it; the verdict stands.
            Err(error) => outcome.notes.push(format!("at the end: {error}")),
        }
        Ok(outcome)
    }
}

/// Times are only worth something beside it.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let averages: Vec<&str> = text.split(' ').take(3).collect();
    format!("load average at the end {} on {cores} cores", averages.join(" "))
}

/// Until every customer has gone home; who is never served is sent home.
async fn all_served(shop: &Shop, visitors: &mut JoinSet<()>) {
    let (mut last, mut since) = (shop.book.reserved(), Instant::now());
    while !visitors.is_empty() {
        // Asked again every second: whether anything moves.
        let _ = tokio::time::timeout(Duration::from_secs(1), visitors.join_next()).await;
        let now = shop.book.reserved();
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > STALLED && !shop.is_done() {
            shop.close(&format!("nothing was reserved for {STALLED:?} although everything runs"));
        }
    }
}

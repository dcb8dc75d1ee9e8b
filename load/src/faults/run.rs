//! One run: the system on empty data, customers, faults, quiet, audit.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use e2e::chaos::ChaosProxy;
use tokio::task::JoinSet;

use crate::faults::customers::{self, Shop};
use crate::faults::infrastructure::Infrastructure;
use crate::faults::nemesis::Nemesis;
use crate::faults::outcome::Outcome;
use crate::faults::schedule::{self, Scene};
use crate::faults::{poison, quiet};
use crate::{Error, Ground, Plan, Service, Stage, System};

/// What is still open then never ends by itself.
const QUIET_WITHIN: Duration = Duration::from_secs(60);
/// Everything runs, and nothing was reserved for so long: nothing will be.
const STALLED: Duration = Duration::from_secs(60);
const REPEATED: usize = 100;

/// Everything that a run does follows from this.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub seed: u64,
    pub reservations: u64,
    pub kills: u64,
    pub replicas: usize,
    pub customers: u64,
    pub poison: f64,
}

/// Runs it and leaves nothing behind, unless something was found or `keep` is set.
///
/// # Errors
/// Something that belongs to the runner, not to the system, failed: no verdict.
pub async fn run(
    stage: &Arc<Stage>,
    infra_state: Option<PathBuf>,
    settings: &Settings,
    keep: bool,
) -> Result<Outcome, Error> {
    let start = Instant::now();
    let scene = Scene {
        reservations: settings.reservations,
        kills: settings.kills,
        replicas: settings.replicas,
        real: stage.infra.is_some(),
    };
    let schedule = schedule::of(settings.seed, scene);
    let (plan, proxy) = plan(settings.replicas)?;
    let mut system = System::start(plan, Ground::new(stage).await?).await?;
    let gateways = system.plan().addresses(Service::Gateway).to_vec();
    let shop = Arc::new(Shop::new(settings.seed, gateways, settings.reservations));
    let mut visitors = JoinSet::new();
    for till in 0..settings.customers {
        visitors.spawn(customers::shop(Arc::clone(&shop), usize::try_from(till).unwrap_or_default()));
    }
    let poisoned = Arc::new(AtomicU64::new(0));
    if settings.poison > 0.0 {
        let (log, topic) = (system.ground().open_log().await?, system.ground().event_log.topic.clone());
        let count = Arc::clone(&poisoned);
        visitors.spawn(poison::poison(Arc::clone(&shop), log, topic, settings.poison, count));
    }
    let mut nemesis = Nemesis {
        system: &mut system,
        shop: &shop,
        proxy: &proxy,
        replicas: settings.replicas,
        infrastructure: infra_state.map(Infrastructure::new),
        kills: 0,
        notes: Vec::new(),
        ended: Vec::new(),
    };
    nemesis.carry_out(&schedule).await?;
    shop.allowed.store(u64::MAX, Ordering::SeqCst);
    nemesis.all_run().await?;
    let Nemesis { kills, notes, ended, .. } = nemesis;
    let running_since = Instant::now();
    eprintln!("everything runs again; {} of {} reserved", shop.book.reserved(), shop.wanted);
    all_served(&shop, &mut visitors).await;
    let deadline = Instant::now() + QUIET_WITHIN;
    customers::ask_again(&shop, deadline).await;
    if settings.poison > 0.0 {
        let discarded = poison::clean_up(&system, deadline).await?;
        eprintln!("{discarded} dead letters discarded after a replay");
    }
    customers::repeat(&shop, REPEATED).await;
    eprintln!("waiting for quiet, then auditing");
    let verdict = quiet::verdict(system.ground(), &shop, running_since, deadline).await?;
    let pages = std::mem::take(&mut *shop.book.pages());
    let mut outcome = Outcome {
        settings: settings.clone(),
        against: stage.against().name(),
        schedule,
        kills,
        poisoned: poisoned.load(Ordering::SeqCst),
        took_seconds: start.elapsed().as_secs_f64(),
        notes,
        ended,
        verdict,
        pages,
    };
    let ground = match system.stop().await {
        Ok(ground) => ground,
        // Its data went with it; the verdict stands.
        Err(error) => {
            outcome.notes.push(format!("at the end: {error}"));
            return Ok(outcome);
        }
    };
    if keep || outcome.failed() {
        eprintln!("data and logs stay in {}", ground.keep().display());
    } else {
        ground.remove().await?;
    }
    Ok(outcome)
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

fn plan(replicas: usize) -> Result<(Plan, ChaosProxy), Error> {
    let mut plan = Plan::all()?;
    for service in Service::ALL {
        for _ in 1..replicas {
            plan.add_replica(service)?;
        }
    }
    let payment = plan.addresses(Service::Payment).first().copied();
    let proxy = ChaosProxy::start(payment.ok_or_else(|| Error::unexpected("no payment"))?);
    // A network that takes its time and fails now and then; patience for a busy machine.
    let plan = plan
        .with(Some(Service::Prereservation), "URL_PAYMENT", &proxy.url())
        .with(Some(Service::Prereservation), "PAYMENT_CLIENT_TIMEOUT_MS", "1500")
        .with(Some(Service::Prereservation), "CIRCUIT_BREAKER_SLOW_CALL_DURATION_THRESHOLD_MS", "1400")
        .with(Some(Service::Prereservation), "CIRCUIT_BREAKER_WAIT_DURATION_IN_OPEN_STATE_MS", "500")
        .with(Some(Service::Payment), "PROVIDER_LATENCY_MAX_MS", "40")
        .with(Some(Service::Payment), "PROVIDER_ERROR_RATE", "0.02");
    Ok((plan, proxy))
}

//! Breaks the system while it is used, and audits what is left; see `docs/RELIABILITY.md`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use e2e::chaos::ChaosProxy;
use load::binaries::{Binaries, workspace};
use load::faults::customers::{self, Shop};
use load::faults::nemesis::Nemesis;
use load::faults::outcome::Outcome;
use load::faults::schedule::{self, Scene};
use load::faults::{poison, quiet};
use load::infra::Infra;
use load::{Against, Error, Ground, Plan, Service, Stage, System};

/// Kills services, databases and brokers while customers reserve and cancel, then audits: nothing lost, nothing doubled.
///
/// cargo run --release -p load --bin faults -- --against embedded --reservations 300 --kills 20 --seed 1
///
/// The five services start on empty data. Everything that is broken follows from the seed: kill -9, SIGSTOP, late,
/// cut, refused and swallowed connections between prereservation and payment, with --against real also SIGKILL for
/// Kafka and PostgreSQL. At the end the customers' log is held against all databases, the topic, the view and the
/// card network's ledger. The exit code is 1 when anything is lost, doubled, charged and cancelled, open after 60 s
/// or broken otherwise; then the schedule and the histories are printed.
#[derive(Parser, Clone)]
#[command(name = "faults", version)]
struct Arguments {
    /// What the services stand on
    #[arg(long, value_enum, default_value = "embedded")]
    against: Against,
    /// So many orders are to be answered 201
    #[arg(long, value_name = "N", default_value_t = 300)]
    reservations: u64,
    /// So many times something is killed
    #[arg(long, value_name = "N", default_value_t = 20)]
    kills: u64,
    /// Repeats a run; without it a new one is taken, and printed
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Processes of each service
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=8))]
    replicas: u64,
    /// Customers at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1000))]
    customers: u64,
    /// Share of records on the topic that nobody can read
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    poison: f64,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Take the services' binaries from here, as they are [default: beside this program, built first]
    #[arg(long, value_name = "DIRECTORY")]
    binaries: Option<PathBuf>,
    /// Where data, logs and the state of infra/up lie [default: target/faults]
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Leave data and logs of the run
    #[arg(long)]
    keep: bool,
    /// Leave Kafka and PostgreSQL running for the next run (--against real)
    #[arg(long)]
    keep_infra: bool,
}

/// What is still open then never ends by itself.
const QUIET_WITHIN: Duration = Duration::from_secs(60);
const REPEATED: usize = 100;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("faults: starting the runtime: {error}");
            return ExitCode::from(2);
        }
    };
    match runtime.block_on(run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool, Error> {
    let data = arguments.data.clone().unwrap_or_else(|| workspace().join("target/faults"));
    std::fs::create_dir_all(&data).map_err(Error::io(format!("creating {}", data.display())))?;
    let data = data.canonicalize().map_err(Error::io("finding the data directory"))?;
    let binaries = match &arguments.binaries {
        Some(directory) => Binaries::in_directory(directory)?,
        None => Binaries::beside_this(true)?,
    };
    let infra_state = std::env::var_os("INFRA_STATE").map_or_else(|| data.join("infra"), PathBuf::from);
    let infra = match arguments.against {
        Against::Embedded => None,
        Against::Real => Some(Infra::up(&infra_state).await?),
    };
    let stage = Arc::new(Stage { binaries, data, infra });
    let passed = tokio::select! {
        passed = on_stage(arguments, &stage, infra_state) => passed,
        // Processes end with what holds them.
        _ = tokio::signal::ctrl_c() => Err(Error::unexpected("interrupted")),
    };
    if let Some(Stage { infra: Some(infra), .. }) = Arc::into_inner(stage)
        && !arguments.keep_infra
    {
        infra.down().await;
    }
    passed
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

async fn on_stage(arguments: &Arguments, stage: &Arc<Stage>, infra_state: PathBuf) -> Result<bool, Error> {
    let seed = arguments.seed.unwrap_or_else(|| storage::now_ms().unsigned_abs() % 1_000_000_007);
    let replicas = usize::try_from(arguments.replicas).unwrap_or(1);
    let real = stage.infra.is_some();
    let scene = Scene { reservations: arguments.reservations, kills: arguments.kills, replicas, real };
    let schedule = schedule::of(seed, scene);
    eprintln!("seed {seed}; starting the services");
    let start = Instant::now();
    let (plan, proxy) = plan(replicas)?;
    let mut system = System::start(plan, Ground::new(stage).await?).await?;
    let gateways = system.plan().addresses(Service::Gateway).to_vec();
    let shop = Arc::new(Shop::new(seed, gateways, arguments.reservations));
    let poisoned = Arc::new(AtomicU64::new(0));
    let mut visitors = tokio::task::JoinSet::new();
    for till in 0..arguments.customers {
        visitors.spawn(customers::shop(Arc::clone(&shop), usize::try_from(till).unwrap_or_default()));
    }
    if arguments.poison > 0.0 {
        let (log, topic) = (system.ground().open_log().await?, system.ground().event_log.topic.clone());
        visitors.spawn(poison::poison(
            Arc::clone(&shop),
            log,
            topic,
            arguments.poison,
            Arc::clone(&poisoned),
        ));
    }
    let infra_state = real.then_some(infra_state);
    let mut nemesis = Nemesis {
        system: &mut system,
        shop: &shop,
        proxy: &proxy,
        replicas,
        infra_state,
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
    while visitors.join_next().await.is_some() {}
    let deadline = Instant::now() + QUIET_WITHIN;
    customers::ask_again(&shop, deadline).await;
    if arguments.poison > 0.0 {
        let discarded = poison::clean_up(&system, deadline).await?;
        eprintln!("{discarded} dead letters discarded after a replay");
    }
    customers::repeat(&shop, REPEATED).await;
    eprintln!("waiting for quiet, then auditing");
    let verdict = quiet::verdict(system.ground(), &shop, running_since, deadline).await?;
    let outcome = Outcome {
        command: command(arguments, seed),
        seed,
        against: arguments.against.name(),
        replicas,
        schedule,
        kills,
        poisoned: poisoned.load(Ordering::SeqCst),
        took_seconds: start.elapsed().as_secs_f64(),
        notes,
        ended,
        verdict,
    };
    tell(arguments, &shop, &outcome)?;
    let ground = system.stop().await?;
    if arguments.keep || outcome.failed() {
        eprintln!("data and logs stay in {}", ground.keep().display());
    } else {
        ground.remove().await?;
    }
    Ok(!outcome.failed())
}

fn tell(arguments: &Arguments, shop: &Shop, outcome: &Outcome) -> Result<(), Error> {
    let pages = shop.book.pages();
    print!("{}", outcome.table(&pages));
    let json = outcome.json(&pages);
    match &arguments.report {
        Some(path) => std::fs::write(path, format!("{json:#}\n"))
            .map_err(Error::io(format!("writing {}", path.display()))),
        None => {
            println!("{}", json["totals"]);
            Ok(())
        }
    }
}

fn command(arguments: &Arguments, seed: u64) -> String {
    let Arguments { against, reservations, kills, replicas, customers, poison, .. } = arguments;
    format!(
        "cargo run --release -p load --bin faults -- --against {} --reservations {reservations} --kills {kills} \
         --seed {seed} --replicas {replicas} --customers {customers} --poison {poison}",
        against.name()
    )
}

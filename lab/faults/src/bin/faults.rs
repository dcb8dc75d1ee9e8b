//! Breaks the system while it is used, and audits what is left; see `docs/RELIABILITY.md`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use faults::campaign::Campaign;
use faults::infrastructure::Infrastructure;
use faults::run::{self, Place};
use faults::scenarios::{Act, Scenario};
use faults::settings::Settings;
use harness::binaries::{Binaries, workspace};
use harness::infra::Infra;
use harness::{Against, Error, Stage};

/// Kills services, databases and brokers while customers reserve and cancel, then audits: nothing lost, nothing doubled.
///
/// cargo run --release -p faults -- --against embedded --reservations 300 --kills 20 --seed 1
///
/// The six services start on empty data. Everything that is broken follows from the seed: kill -9, SIGSTOP, and
/// connections that are late, cut, refused, swallowed, reset or frozen between any two of them; with --against real also
/// between services, Kafka and PostgreSQL, and SIGKILL for both. At the end the customers' log is held against all databases, the topic, the view and the
/// card network's ledger. The exit code is 1 when anything is lost, doubled, charged and cancelled, open after 60 s
/// or broken otherwise; then the schedule and the histories are printed.
///
/// A long run is made of pieces of at most 1000 reservations and 20 kills, each on empty data, with a seed of its own that
/// follows from the seed, and with its own audit:
///
/// faults --against real --reservations 50000 --kills 1000 --seed 4 --report real.json --resume --minutes 9
///
/// does as many of them as nine minutes allow and ends with 3 if there are more to do; called again it goes on.
#[derive(Parser, Clone)]
#[command(name = "faults", version)]
struct Arguments {
    /// Play this instead; sizes are its own, see --small
    #[arg(long, value_enum, conflicts_with_all = ["reservations", "kills", "poison", "pieces", "resume"])]
    scenario: Option<Scenario>,
    /// The scenario in miniature, for CI
    #[arg(long, requires = "scenario")]
    small: bool,
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
    /// So many pieces [default: as many as there have to be]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pieces: Option<u64>,
    /// Write the report as JSON, after each piece
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Leave out the pieces that the report has
    #[arg(long, requires = "report", requires = "seed")]
    resume: bool,
    /// Begin no piece after so long; 3 is the exit code if there are more
    #[arg(long, value_name = "N")]
    minutes: Option<u64>,
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

enum Verdict {
    Clean,
    Broken,
    /// Nothing found so far.
    Unfinished,
}

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
        Ok(Verdict::Clean) => ExitCode::SUCCESS,
        Ok(Verdict::Broken) => ExitCode::FAILURE,
        Ok(Verdict::Unfinished) => ExitCode::from(3),
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Verdict, Error> {
    let data = arguments.data.clone().unwrap_or_else(|| workspace().join("target/faults"));
    std::fs::create_dir_all(&data).map_err(Error::io(format!("creating {}", data.display())))?;
    let data = data.canonicalize().map_err(Error::io("finding the data directory"))?;
    let binaries = match &arguments.binaries {
        Some(directory) => Binaries::in_directory(directory)?,
        None => Binaries::beside_this(true)?,
    };
    let infrastructure = match arguments.against {
        Against::Embedded => None,
        Against::Real => {
            let state = std::env::var_os("INFRA_STATE").map_or_else(|| data.join("infra"), PathBuf::from);
            Some(Infrastructure::start(state, replicas(arguments)).await?)
        }
    };
    let infra = match &infrastructure {
        None => None,
        Some(infrastructure) => Some(Infra::up(infrastructure.state()).await?),
    };
    let stage = Arc::new(Stage { binaries, data, infra });
    let verdict = tokio::select! {
        verdict = on_stage(arguments, &stage, infrastructure.as_ref()) => verdict,
        // Processes end with what holds them.
        _ = tokio::signal::ctrl_c() => Err(Error::unexpected("interrupted")),
    };
    if let Some(Stage { infra: Some(infra), .. }) = Arc::into_inner(stage) {
        if arguments.keep_infra {
            infra.leave()?;
        } else {
            infra.down().await;
        }
    }
    verdict
}

fn seed(arguments: &Arguments) -> u64 {
    arguments.seed.unwrap_or_else(|| storage::now_ms().unsigned_abs() % 1_000_000_007)
}

fn replicas(arguments: &Arguments) -> usize {
    usize::try_from(arguments.replicas).unwrap_or(1)
}

async fn play(arguments: &Arguments, place: Place<'_>, scenario: Scenario) -> Result<Verdict, Error> {
    let act = Act { seed: seed(arguments), small: arguments.small, replicas: replicas(arguments) };
    let command = format!(
        "cargo run --release -p faults -- --scenario {} --against {} --seed {} --replicas {}{}",
        scenario.name(),
        arguments.against.name(),
        act.seed,
        act.replicas,
        if act.small { " --small" } else { "" }
    );
    eprintln!("{}, seed {}", scenario.name(), act.seed);
    let played = scenario.play(place, act).await?;
    print!("{}\nrepeat with: {command}\n", played.table());
    if let Some(path) = &arguments.report {
        let json = played.json(&command);
        std::fs::write(path, format!("{json:#}\n"))
            .map_err(Error::io(format!("writing {}", path.display())))?;
    }
    Ok(if played.failed() { Verdict::Broken } else { Verdict::Clean })
}

async fn on_stage(
    arguments: &Arguments,
    stage: &Arc<Stage>,
    infrastructure: Option<&Infrastructure>,
) -> Result<Verdict, Error> {
    let place = Place { stage, infrastructure, keep: arguments.keep };
    if let Some(scenario) = arguments.scenario {
        return play(arguments, place, scenario).await;
    }
    let start = Instant::now();
    let whole = Settings {
        seed: seed(arguments),
        reservations: arguments.reservations,
        kills: arguments.kills,
        replicas: replicas(arguments),
        customers: arguments.customers,
        poison: arguments.poison,
    };
    let command = command(arguments, &whole);
    let (against, report) = (arguments.against.name(), arguments.report.clone());
    let mut campaign = Campaign::new(command, against, &whole, arguments.pieces, report);
    if arguments.resume {
        campaign.resume()?;
    }
    eprintln!("seed {}", whole.seed);
    while let Some((number, of, piece)) = campaign.next() {
        if arguments.minutes.is_some_and(|minutes| start.elapsed() >= Duration::from_secs(60 * minutes)) {
            break;
        }
        eprintln!("piece {number} of {of}, seed {}: starting the services", piece.seed);
        let outcome = run::run(place, &piece.clone()).await?;
        print!("{}\nrepeat with: {}\n", outcome.table(), outcome.command());
        campaign.finish(&outcome)?;
    }
    println!("\nall pieces: {}", serde_json::json!(campaign.totals()));
    Ok(match (campaign.failed(), campaign.next()) {
        (true, _) => Verdict::Broken,
        (false, Some((number, of, _))) => {
            println!(
                "unfinished: piece {number} of {of} is the next; the same command with --resume goes on"
            );
            Verdict::Unfinished
        }
        (false, None) => Verdict::Clean,
    })
}

/// What the result depends on, and nothing else.
fn command(arguments: &Arguments, whole: &Settings) -> String {
    let Settings { seed, reservations, kills, replicas, customers, poison } = whole;
    let pieces = arguments.pieces.map(|pieces| format!(" --pieces {pieces}")).unwrap_or_default();
    format!(
        "cargo run --release -p faults -- --against {} --reservations {reservations} --kills {kills} \
         --seed {seed} --replicas {replicas} --customers {customers} --poison {poison}{pieces}",
        arguments.against.name()
    )
}

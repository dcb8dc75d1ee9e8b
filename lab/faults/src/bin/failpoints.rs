//! Makes every step of the services fail, one after the other, and audits what is left; see `docs/RELIABILITY.md`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use faults::failpoints::case::{Case, Outcome};
use faults::failpoints::play::play;
use faults::failpoints::scene::Action;
use faults::failpoints::weave::{Step, Woven};
use faults::failpoints::{preorder, switches, table};
use harness::binaries::{Binaries, workspace};
use harness::{Error, Stage};

/// Every step between a request or a record and its last acknowledgement, made to err, to panic and to kill the process.
///
/// cargo run -p faults --bin failpoints
///
/// The six services run as one process of a test build, on empty data for every case. While customers reserve, are declined
/// and cancel, the step fails at its first hit after each of three starts; then the process starts once more, everything has
/// to come to rest, and the customers' log is held against all databases, the topic, the view and the card network's ledger.
/// The exit code is 1 where anything is found, or where a step was never reached.
#[derive(Parser, Clone)]
#[command(name = "failpoints", version)]
struct Arguments {
    /// Only steps whose name contains one of these
    steps: Vec<String>,
    /// What is to happen there
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Action::ALL)]
    actions: Vec<Action>,
    /// So many starts with the step armed
    #[arg(long, value_name = "N", default_value_t = 3)]
    restarts: usize,
    /// So many cases at a time
    #[arg(long, value_name = "N", default_value_t = 4)]
    jobs: usize,
    /// Which cards are declined, and more, follows from it
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Break this promise on purpose: the steps have to show it
    #[arg(long, value_name = "SWITCH")]
    sabotage: Option<String>,
    /// Break each promise in turn, and say what notices it
    #[arg(long)]
    switches: bool,
    /// Take this program instead of building it; it must have its failpoints
    #[arg(long, value_name = "FILE")]
    preorder: Option<PathBuf>,
    /// Where data and logs lie. Processes die here, not machines, so that a RAM disk loses nothing
    /// [default: /dev/shm if it is there, else target/failpoints]
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Print the steps and do nothing
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("failpoints: starting the runtime: {error}");
            return ExitCode::from(2);
        }
    };
    match runtime.block_on(run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("failpoints: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool, Error> {
    let wanted = |step: &Step| {
        arguments.steps.is_empty() || arguments.steps.iter().any(|part| step.name.contains(part.as_str()))
    };
    let steps: Vec<Step> = Woven::read()?.steps.into_iter().filter(wanted).collect();
    if arguments.list {
        for step in &steps {
            let file = step.file.strip_prefix(workspace()).unwrap_or(&step.file);
            println!("{:<46} {}:{}", step.name, file.display(), step.line);
        }
        return Ok(true);
    }
    let ram = Path::new("/dev/shm");
    let default = if ram.is_dir() { ram.to_owned() } else { workspace().join("target") };
    let data = arguments.data.clone().unwrap_or_else(|| default.join("preorder-failpoints"));
    std::fs::create_dir_all(&data).map_err(Error::io(format!("creating {}", data.display())))?;
    let program = match &arguments.preorder {
        Some(program) => {
            program.canonicalize().map_err(Error::io(format!("finding {}", program.display())))?
        }
        None => preorder::build(&data)?,
    };
    let binaries = Binaries::in_directory(&data)?;
    let stage = Arc::new(Stage { binaries, data, infra: None });
    if arguments.switches {
        let caught = switches::run(&stage, &program, arguments.jobs, arguments.seed).await?;
        print!("{}", switches::table(&caught));
        return Ok(caught.iter().all(switches::Caught::is_caught));
    }
    let mut cases = Vec::new();
    for step in &steps {
        for action in &arguments.actions {
            cases.push(Case {
                step: step.name.clone(),
                action: *action,
                restarts: arguments.restarts,
                seed: arguments.seed,
                sabotage: arguments.sabotage.clone(),
            });
        }
    }
    let start = Instant::now();
    let outcomes = play(cases, arguments.jobs, &stage, &program).await?;
    print!("{}", table::table(&outcomes, &arguments.actions));
    println!(
        "{} in {:.0} s, seed {}",
        table::totals(&outcomes),
        start.elapsed().as_secs_f64(),
        arguments.seed
    );
    Ok(!outcomes.iter().any(Outcome::failed))
}

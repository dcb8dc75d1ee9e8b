//! Measures the system; see `lab/bench/README.md`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use bench::figures::{Bench, Measure, Sizes, measures};
use bench::report::{Figure, Report};
use bench::servers::Server;
use clap::Parser;
use harness::binaries::{Binaries, workspace};
use harness::{Against, Error, Stage};

/// Measures the pre-reservation system: starts its processes, drives them, and prints each figure beside its goal.
///
/// Run it in release (cargo run --release -p bench -- all --against embedded --json figures.json), on a
/// machine that does nothing else. The services are built when they changed. `--list` says which figures there are.
/// The exit code is 1 when something could not be measured that should have been, or a count passes its limit; any
/// other goal that is missed is shown, and no error.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    /// Figures by name, or "all"
    #[arg(required_unless_present_any = ["list", "serve"])]
    names: Vec<String>,
    /// What the services stand on
    #[arg(long, value_enum, default_value = "embedded")]
    against: Against,
    /// Write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write curves as SVG into this directory
    #[arg(long, value_name = "DIRECTORY")]
    plots: Option<PathBuf>,
    /// Short and rough: to see about where it stands
    #[arg(long)]
    quick: bool,
    /// Largest number of rows and facts
    #[arg(long, value_name = "N")]
    rows: Option<u64>,
    /// Repetitions of which the median counts
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Where the runs put their data; a disk, not a RAM disk [default: target/bench]
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Take the services' binaries as they are
    #[arg(long)]
    no_build: bool,
    /// Take the services' binaries from this directory
    #[arg(long, value_name = "DIRECTORY")]
    binaries: Option<PathBuf>,
    /// Leave Kafka and PostgreSQL running for the next run (--against real)
    #[arg(long)]
    keep_infra: bool,
    /// Say what can be measured
    #[arg(long)]
    list: bool,
    /// Used by the program itself: be one of the servers to compare with
    #[arg(long, value_enum, requires = "port", hide = true)]
    serve: Option<Server>,
    #[arg(long, hide = true)]
    port: Option<u16>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for measure in measures() {
            println!("{:16} {}", measure.name(), measure.about());
        }
        return ExitCode::SUCCESS;
    }
    if let (Some(server), Some(port)) = (arguments.serve, arguments.port) {
        return exit(server.serve(port).map(|()| true));
    }
    // One thread: the generator shall take as little from the system as it can.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => exit(runtime.block_on(run(&arguments))),
        Err(source) => exit(Err(Error::Io { doing: "starting the runtime".to_owned(), source })),
    }
}

fn exit(result: Result<bool, Error>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool, Error> {
    let chosen = chosen(&arguments.names)?;
    let data = arguments.data.clone().unwrap_or_else(|| workspace().join("target/bench"));
    if cfg!(debug_assertions) {
        eprintln!("a debug build: its figures mean nothing");
    }
    let binaries = match &arguments.binaries {
        Some(directory) => Binaries::in_directory(directory)?,
        None => Binaries::beside_this(!arguments.no_build)?,
    };
    let stage = Arc::new(Stage::set(arguments.against, &data, binaries).await?);
    let bench = Bench::new(Arc::clone(&stage), sizes(arguments), arguments.plots.as_deref());
    let report = tokio::select! {
        report = measure_all(&chosen, &bench, arguments.json.as_deref()) => report,
        // Processes end with what holds them.
        _ = tokio::signal::ctrl_c() => Err(Error::unexpected("interrupted")),
    };
    drop(bench);
    if let Some(Stage { infra: Some(infra), .. }) = Arc::into_inner(stage) {
        if arguments.keep_infra {
            infra.leave()?;
        } else {
            infra.down().await;
        }
    }
    let report = report?;
    print!("{report}");
    Ok(!report.failed())
}

async fn measure_all(measures: &[&dyn Measure], bench: &Bench, json: Option<&Path>) -> Result<Report, Error> {
    let mut report = Report::new(bench.stage.against());
    for (index, measure) in measures.iter().enumerate() {
        eprintln!("[{}/{}] {}: {}", index + 1, measures.len(), measure.name(), measure.about());
        let start = Instant::now();
        match measure.measure(bench).await {
            Ok(figures) => report.figures.extend(figures),
            Err(error) => {
                eprintln!("  {error}");
                report.figures.push(Figure::missing(measure.name(), &error));
            }
        }
        eprintln!("  took {:.1?}", start.elapsed());
        // After each, so that a run that is interrupted leaves what it had.
        if let Some(path) = json {
            report.write(path)?;
        }
    }
    Ok(report)
}

fn chosen(names: &[String]) -> Result<Vec<&'static dyn Measure>, Error> {
    let mut chosen: Vec<&'static dyn Measure> = Vec::new();
    for name in names {
        let found: Vec<_> = measures()
            .filter(|measure| if name == "all" { measure.in_all() } else { measure.name() == name })
            .collect();
        if found.is_empty() {
            return Err(Error::unexpected(format!("no figure is called {name}; --list shows them")));
        }
        chosen.extend(found);
    }
    Ok(chosen)
}

fn sizes(arguments: &Arguments) -> Sizes {
    let mut sizes = if arguments.quick { Sizes::QUICK } else { Sizes::FULL };
    sizes.rows = arguments.rows.unwrap_or(sizes.rows);
    sizes.rounds = arguments.rounds.unwrap_or(sizes.rounds).max(1);
    sizes
}

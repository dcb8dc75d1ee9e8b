//! From the command line to the last log line: what `main.rs` of every program calls.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use settings::SettingsError;
use telemetry::{LogSettings, TracingSettings, error_chain};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::management::ManagementSettings;
use crate::memory::MemorySettings;
use crate::probe;

/// The exit code of a process that could not do what it was started for.
pub const FAILED: u8 = 1;

pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// A program as its `main.rs` describes it.
pub trait Program {
    type Settings;

    fn name(&self) -> &'static str;
    /// One line for `--help`.
    fn about(&self) -> &'static str;
    /// Every key with its default and meaning, as TOML.
    fn commented_defaults(&self) -> String;
    /// # Errors
    /// The first setting that is wrong.
    fn load(&self, profile: Option<String>) -> Result<Self::Settings, SettingsError>;
    /// The sections that concern the process.
    fn process<'a>(&self, settings: &'a Self::Settings) -> ProcessSettings<'a>;
}

pub struct ProcessSettings<'a> {
    pub host: &'a str,
    pub port: u16,
    pub management: &'a ManagementSettings,
    pub log: &'a LogSettings,
    pub tracing: &'a TracingSettings,
    /// Of a program that sees secrets of its customers.
    pub memory: Option<MemorySettings>,
}

/// The command line that every program has.
pub fn command(program: &impl Program) -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new(program.name())
        .about(program.about())
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(
            "Settings: the commented defaults (--print-settings), application-<profile>.toml beside the binary or in \
             ./config, environment variables (server.port is SERVER_PORT).",
        )
        .arg(
            Arg::new("profile")
                .long("profile")
                .value_name("NAME")
                .help("Profile of the settings: default or docker, or one of your own; else PROFILE"),
        )
        .arg(flag("health", "Ask the running program whether it is ready; exit 0 if so"))
        .arg(flag("check", "Check the settings and exit"))
        .arg(flag("print-settings", "Print every key with its default and meaning, and exit"))
}

/// The settings of a process that goes on, or the exit code of one that had only something to say.
///
/// # Errors
/// `--print-settings`, `--check`, `--health`, and settings that are wrong, end the process.
pub fn settings<P: Program>(program: &P, arguments: &ArgMatches) -> Result<P::Settings, ExitCode> {
    if arguments.get_flag("print-settings") {
        // Whoever reads it may have read enough.
        let _ = writeln!(io::stdout(), "{}", program.commented_defaults());
        return Err(ExitCode::SUCCESS);
    }
    let profile = settings::active_profile(std::env::args().skip(1));
    let settings = program.load(profile).map_err(|error| fail(program.name(), &error))?;
    if arguments.get_flag("health") {
        let process = program.process(&settings);
        let ready = probe::is_ready(process.management, process.host, process.port);
        return Err(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if arguments.get_flag("check") {
        println!("{}: the settings are in order", program.name());
        return Err(ExitCode::SUCCESS);
    }
    Ok(settings)
}

/// Runs `serve` until SIGTERM or SIGINT cancels its token. What prevents the start is one line on standard error.
pub fn run<P: Program>(
    program: &P,
    runtime: Builder,
    settings: P::Settings,
    serve: impl AsyncFnOnce(P::Settings, CancellationToken) -> Outcome,
) -> ExitCode {
    let name = program.name();
    block_on(name, runtime, async || {
        let process = program.process(&settings);
        let _telemetry = match telemetry::init(name, process.log, process.tracing) {
            Ok(guard) => guard,
            Err(error) => return ended(name, Err(error.into())),
        };
        if let Some(Err(error)) = process.memory.map(MemorySettings::apply) {
            return ended(name, Err(error.into()));
        }
        match stop_signal() {
            Ok(stop) => ended(name, serve(settings, stop).await),
            Err(error) => ended(name, Err(error.into())),
        }
    })
}

/// Runs a command to its end.
pub fn run_command(name: &str, runtime: Builder, work: impl AsyncFnOnce() -> Outcome) -> ExitCode {
    block_on(name, runtime, async || ended(name, work().await))
}

fn block_on(name: &str, mut runtime: Builder, work: impl AsyncFnOnce() -> u8) -> ExitCode {
    match runtime.enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(work());
            ending::of(runtime, code)
        }
        Err(error) => fail(name, &error),
    }
}

/// The exit code. What is dropped from here on may wait for ever; the process ends all the same.
fn ended(name: &str, outcome: Outcome) -> u8 {
    let code = match outcome {
        Ok(()) => 0,
        Err(error) => {
            fail(name, error.as_ref());
            FAILED
        }
    };
    ending::within(ending::AFTER_THE_WORK, code);
    code
}

/// Cancelled by SIGTERM or SIGINT.
///
/// # Errors
/// The signals cannot be listened to.
pub fn stop_signal() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
        token.cancel();
    });
    Ok(stop)
}

/// Once `stop` is cancelled, the process ends within the limit: with a failure, unless it has ended by itself.
pub fn end_within(limit: Duration, stop: CancellationToken) {
    tokio::spawn(async move {
        stop.cancelled().await;
        ending::within(limit, FAILED);
    });
}

fn fail(name: &str, error: &dyn Error) -> ExitCode {
    eprintln!("{name}: {}", error_chain(error));
    ExitCode::FAILURE
}

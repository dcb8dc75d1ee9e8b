//! From the command line to the last log line: what `main.rs` of a service calls.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};
use telemetry::error_chain;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::service::Service;
use crate::settings::{OwnSettings, Settings, SharedSettings};

/// The exit code of a process that could not do what it was started for.
const FAILED: u8 = 1;

/// Runs a service until SIGTERM or SIGINT. What prevents the start is one line on standard error.
pub fn main<O: OwnSettings>(service: &Service<O>) -> ExitCode {
    let arguments = command(service).get_matches();
    let profile = settings::active_profile(std::env::args().skip(1));
    if arguments.get_flag("print-settings") {
        // Whoever reads it may have read enough.
        let _ = writeln!(io::stdout(), "{}", service.commented_defaults());
        return ExitCode::SUCCESS;
    }
    let settings = match service.load(profile) {
        Ok(settings) => settings,
        Err(error) => return fail(service.name, &error),
    };
    if arguments.get_flag("health") {
        let SharedSettings { server, management, .. } = &settings.shared;
        let ready = http_common::probe::is_ready(management, &server.host, server.port);
        return if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if arguments.get_flag("check") {
        println!("{}: the settings are in order", service.name);
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(service.name, &error),
    };
    let anew = arguments.get_flag("begin-anew").then(|| arguments.get_flag("all"));
    let code = runtime.block_on(async {
        match anew {
            Some(all) => ended(service.name, crate::begin_anew(service.name, &settings.shared, all).await),
            None => run(service, settings).await,
        }
    });
    ending::of(runtime, code)
}

async fn run<O: OwnSettings>(service: &Service<O>, settings: Settings<O>) -> u8 {
    let _telemetry = match telemetry::init(service.name, &settings.shared.log, &settings.shared.tracing) {
        Ok(guard) => guard,
        Err(error) => return ended(service.name, Err(error.into())),
    };
    ended(service.name, serve(service, settings).await)
}

/// The exit code. From here on the process ends, whatever waits for ever when it is dropped.
fn ended(name: &str, outcome: Result<(), Box<dyn Error + Send + Sync>>) -> u8 {
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

async fn serve<O: OwnSettings>(
    service: &Service<O>,
    settings: Settings<O>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    if let Some(memory) = settings.own.memory() {
        memory.apply()?;
    }
    let stop = stop_signal()?;
    // It may be waiting for its database.
    let Some(application) = stop.run_until_cancelled((service.build)(settings)).await else { return Ok(()) };
    let application = application?;
    let management = application.management_addr().unwrap_or(application.addr());
    tracing::info!(address = %application.addr(), %management, database = %application.database_url(), "{} is up", service.name);
    let (stopping, limit) = (stop.clone(), application.stop_limit());
    tokio::spawn(async move {
        stopping.cancelled().await;
        ending::within(limit, FAILED);
    });
    application.run(stop).await?;
    tracing::info!("{} has stopped", service.name);
    Ok(())
}

fn command<O>(service: &Service<O>) -> Command {
    Command::new(service.name)
        .about(service.about)
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
        .arg(
            Arg::new("health")
                .long("health")
                .action(ArgAction::SetTrue)
                .help("Ask the running service whether it is ready; exit 0 if so"),
        )
        .arg(
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help("Check the settings and exit"),
        )
        .arg(
            Arg::new("print-settings")
                .long("print-settings")
                .action(ArgAction::SetTrue)
                .help("Print every key with its default and meaning, and exit"),
        )
        .arg(
            Arg::new("begin-anew")
                .long("begin-anew")
                .action(ArgAction::SetTrue)
                .help("The event log that was read is lost or replaced: read the one that is there, from its beginning. The service may run meanwhile"),
        )
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .requires("begin-anew")
                .help("Begin anew in every partition, also where the log is the one that was read"),
        )
}

/// Cancelled by SIGTERM or SIGINT.
///
/// # Errors
/// The signals cannot be listened to.
pub fn stop_signal() -> std::io::Result<CancellationToken> {
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

fn fail(name: &str, error: &dyn Error) -> ExitCode {
    eprintln!("{name}: {}", error_chain(error));
    ExitCode::FAILURE
}

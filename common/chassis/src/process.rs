//! From the command line to the last log line: what `main.rs` of a service calls.

use std::error::Error;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};
use futures::future::BoxFuture;
use http_common::{ManagementSettings, MemorySettings};
use rest::ServerSettings;
use serde::de::DeserializeOwned;
use settings::{Invalid, Layers};
use telemetry::{LogSettings, TracingSettings, error_chain};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{Application, Parts, StartError};

/// The exit code of a process that could not do what it was started for.
const FAILED: u8 = 1;

/// What every service's settings offer.
pub trait ServiceSettings: DeserializeOwned {
    fn server(&self) -> &ServerSettings;
    fn management(&self) -> &ManagementSettings;
    fn log(&self) -> &LogSettings;
    fn tracing(&self) -> &TracingSettings;
    fn parts(&self) -> Parts<'_>;
    /// Of a service that sees secrets of its customers.
    fn memory(&self) -> Option<MemorySettings> {
        None
    }
    /// # Errors
    /// The first key whose value cannot be worked with.
    fn check(&self) -> Result<(), Invalid>;
}

/// A service as its `main.rs` describes it.
pub struct Service<S> {
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// The commented `default.toml`.
    pub defaults: &'static str,
    /// Compiled-in profiles.
    pub profiles: &'static [(&'static str, &'static str)],
    pub build: fn(S) -> BoxFuture<'static, Result<Application, StartError>>,
}

/// Runs a service until SIGTERM or SIGINT. What prevents the start is one line on standard error.
pub fn main<S: ServiceSettings>(service: &Service<S>) -> ExitCode {
    let arguments = command(service).get_matches();
    let profile = settings::active_profile(std::env::args().skip(1));
    let layers = Layers {
        defaults: service.defaults,
        profiles: service.profiles,
        profile,
        env_prefix: None,
        sections: &[],
    };
    let settings: S = match settings::load_checked(&layers, S::check) {
        Ok(settings) => settings,
        Err(error) => return fail(service.name, &error),
    };
    if arguments.get_flag("health") {
        let server = settings.server();
        let ready = http_common::probe::is_ready(settings.management(), &server.host, server.port);
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
    if arguments.get_flag("begin-anew") {
        let all = arguments.get_flag("all");
        let code = runtime.block_on(async {
            let code = match crate::begin_anew(service.name, &settings.parts(), all).await {
                Ok(()) => 0,
                Err(error) => {
                    fail(service.name, error.as_ref());
                    FAILED
                }
            };
            ending::within(ending::AFTER_THE_WORK, code);
            code
        });
        return ending::of(runtime, code);
    }
    let code = runtime.block_on(async {
        let telemetry = telemetry::init(service.name, settings.log(), settings.tracing());
        let _telemetry = match telemetry {
            Ok(guard) => guard,
            Err(error) => {
                fail(service.name, &error);
                return FAILED;
            }
        };
        if let Some(Err(error)) = settings.memory().map(MemorySettings::apply) {
            fail(service.name, &error);
            return FAILED;
        }
        let code = match run(service, settings).await {
            Ok(()) => 0,
            Err(error) => {
                fail(service.name, error.as_ref());
                FAILED
            }
        };
        // What is dropped from here on may wait for ever.
        ending::within(ending::AFTER_THE_WORK, code);
        code
    });
    ending::of(runtime, code)
}

async fn run<S: ServiceSettings>(service: &Service<S>, settings: S) -> Result<(), Box<dyn Error>> {
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

fn command<S>(service: &Service<S>) -> Command {
    Command::new(service.name)
        .about(service.about)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(
            "Settings: the commented defaults (config/default.toml), application-<profile>.toml beside the binary or \
             in ./config, environment variables (server.port is SERVER_PORT).",
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

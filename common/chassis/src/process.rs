//! What `main.rs` of a service calls.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use futures::future::BoxFuture;
use http_common::process::{self, Outcome, ProcessSettings, Program};
use settings::SettingsError;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::begin_anew::begin_anew;
use crate::service::Service;
use crate::settings::{OwnSettings, Settings};

/// A command that only this service has: `account rotate-keys`.
pub struct OwnCommand<O> {
    pub command: fn() -> Command,
    /// Does it; what it prints goes to standard output, and an error is one line on standard error.
    pub run: fn(Settings<O>, ArgMatches) -> BoxFuture<'static, Outcome>,
}

/// Runs a service until SIGTERM or SIGINT. What prevents the start is one line on standard error.
pub fn main<O: OwnSettings>(service: &Service<O>) -> ExitCode {
    main_with(service, &[])
}

/// As [`main`], for a service with commands of its own.
pub fn main_with<O: OwnSettings>(service: &Service<O>, commands: &[OwnCommand<O>]) -> ExitCode {
    let arguments = command(service).subcommands(commands.iter().map(|own| (own.command)())).get_matches();
    match process::settings(service, &arguments) {
        Ok(settings) => go_on(service, settings, &arguments, commands),
        Err(code) => code,
    }
}

fn go_on<O: OwnSettings>(
    service: &Service<O>,
    settings: Settings<O>,
    arguments: &ArgMatches,
    commands: &[OwnCommand<O>],
) -> ExitCode {
    let runtime = Builder::new_multi_thread();
    if let Some((name, arguments)) = arguments.subcommand()
        && let Some(own) = commands.iter().find(|own| (own.command)().get_name() == name)
    {
        let work = (own.run)(settings, arguments.clone());
        return process::run_command(service.name, runtime, async || work.await);
    }
    if !arguments.get_flag("begin-anew") {
        return process::run(service, runtime, settings, async |settings, stop| {
            serve(service, settings, stop).await
        });
    }
    let all = arguments.get_flag("all");
    process::run_command(service.name, runtime, async || {
        begin_anew(service.name, &settings.shared, all).await
    })
}

async fn serve<O: OwnSettings>(
    service: &Service<O>,
    settings: Settings<O>,
    stop: CancellationToken,
) -> Outcome {
    // It may be waiting for its database.
    let Some(application) = stop.run_until_cancelled((service.build)(settings)).await else { return Ok(()) };
    let application = application?;
    let management = application.management_addr().unwrap_or(application.addr());
    tracing::info!(address = %application.addr(), %management, database = %application.database_url(), "{} is up", service.name);
    process::end_within(application.stop_limit(), stop.clone());
    application.run(stop).await?;
    tracing::info!("{} has stopped", service.name);
    Ok(())
}

impl<O: OwnSettings> Program for Service<O> {
    type Settings = Settings<O>;

    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn commented_defaults(&self) -> String {
        self.commented_defaults()
    }

    fn load(&self, profile: Option<String>) -> Result<Settings<O>, SettingsError> {
        self.load(profile)
    }

    fn process<'a>(&self, settings: &'a Settings<O>) -> ProcessSettings<'a> {
        let shared = &settings.shared;
        ProcessSettings {
            host: &shared.server.host,
            port: shared.server.port,
            management: &shared.management,
            log: &shared.log,
            tracing: &shared.tracing,
            memory: settings.own.memory(),
        }
    }
}

fn command<O: OwnSettings>(service: &Service<O>) -> Command {
    process::command(service)
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

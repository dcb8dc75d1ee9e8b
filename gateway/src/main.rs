use std::{error::Error, io, process::ExitCode};

use clap::Parser;
use gateway::{Application, Settings, probe};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

/// A request takes and gives back some buffers of 8 kB, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One address in front of the services, routes by path.
#[derive(Parser)]
#[command(
    name = "gateway",
    version,
    after_help = "Settings: the commented defaults (config/default.toml), application-<profile>.toml beside the binary or \
                  in ./config, environment variables (server.port is SERVER_PORT)."
)]
struct Arguments {
    /// Profile of the settings: default or docker, or one of your own; else PROFILE
    #[arg(long, value_name = "NAME", env = "PROFILE")]
    profile: Option<String>,
    /// Ask the running gateway whether it is ready; exit 0 if so
    #[arg(long)]
    health: bool,
    /// Check the settings and exit
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let profile = settings::active_profile(std::env::args().skip(1));
    let settings = match Settings::load(profile, None) {
        Ok(settings) => settings,
        Err(error) => return fail(&error),
    };
    if arguments.health {
        return if probe::is_ready(settings.server.port) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if arguments.check {
        println!("gateway: the settings are in order");
        return ExitCode::SUCCESS;
    }
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.as_ref()),
    }
}

fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    // Requests are served by threads of the application; this one starts and ends them.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let _telemetry = telemetry::init(gateway::APPLICATION, &settings.log, &settings.tracing)?;
        let stopped = stop_signal()?;
        let application = Application::build(settings).await?;
        application.run(stopped).await?;
        Ok(())
    })
}

fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
    })
}

/// One line for the error and what caused it.
fn fail(error: &dyn Error) -> ExitCode {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let text = source.to_string();
        // Some errors repeat their source in their own text.
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = source.source();
    }
    eprintln!("gateway: {}", line.replace('\n', " "));
    ExitCode::FAILURE
}

use std::{error::Error, io, process::ExitCode, time::Duration};

use clap::Parser;
use gateway::{Application, Settings};
use mimalloc::MiMalloc;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};
use zeroizing_alloc::ZeroAlloc;

/// A request takes and gives back some buffers of 8 kB, which the system's allocator is slow at. What is freed is wiped:
/// card numbers go through them.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

/// The exit code of a process that could not do what it was started for.
const FAILED: u8 = 1;

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
        let (management, server) = (&settings.management, &settings.server);
        let ready = http_common::probe::is_ready(management, &server.host, server.port);
        return if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if arguments.check {
        println!("gateway: the settings are in order");
        return ExitCode::SUCCESS;
    }
    // Requests are served by threads of the application; this one starts and ends them.
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let code = match runtime.block_on(run(settings)) {
        Ok(()) => 0,
        Err(error) => {
            fail(error.as_ref());
            FAILED
        }
    };
    ending::of(runtime, code)
}

async fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let _telemetry = telemetry::init(gateway::APPLICATION, &settings.log, &settings.tracing)?;
    settings.memory.apply()?;
    let stopped = stop_signal(settings.server.stop_limit())?;
    let application = Application::build(settings).await?;
    application.run(stopped).await?;
    // What is dropped from here on may wait for ever.
    ending::within(ending::AFTER_THE_WORK, 0);
    Ok(())
}

/// The process ends within `limit` after the signal.
fn stop_signal(limit: Duration) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
        ending::within(limit, FAILED);
    })
}

/// One line for the error and what caused it.
fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("gateway: {}", telemetry::error_chain(error));
    ExitCode::FAILURE
}

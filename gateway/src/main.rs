use std::process::ExitCode;

use gateway::{Application, Settings};
use http_common::process::{self, ProcessSettings, Program};
use mimalloc::MiMalloc;
use settings::SettingsError;
use tokio::runtime::Builder;
use zeroizing_alloc::ZeroAlloc;

/// A request takes and gives back some buffers of 8 kB, which the system's allocator is slow at. What is freed is wiped:
/// card numbers go through them.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    let arguments = process::command(&Gateway).get_matches();
    let settings = match process::settings(&Gateway, &arguments) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    // Requests are served by threads of the application; this one starts and ends them.
    process::run(&Gateway, Builder::new_current_thread(), settings, async |settings, stop| {
        process::end_within(settings.server.stop_limit(), stop.clone());
        let application = Application::build(settings).await?;
        application.run(stop.cancelled_owned()).await?;
        Ok(())
    })
}

struct Gateway;

impl Program for Gateway {
    type Settings = Settings;

    fn name(&self) -> &'static str {
        gateway::APPLICATION
    }

    fn about(&self) -> &'static str {
        "One address in front of the services, routes by path"
    }

    fn commented_defaults(&self) -> String {
        gateway::DEFAULTS.to_owned()
    }

    fn load(&self, profile: Option<String>) -> Result<Settings, SettingsError> {
        Settings::load(profile, None)
    }

    fn process<'a>(&self, settings: &'a Settings) -> ProcessSettings<'a> {
        ProcessSettings {
            host: &settings.server.host,
            port: settings.server.port,
            management: &settings.management,
            log: &settings.log,
            tracing: &settings.tracing,
            memory: Some(settings.memory),
        }
    }
}

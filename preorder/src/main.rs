//! All six services in one process: `cargo run --release`.
//!
//! [`commands`] is what can be asked on the command line, [`system`] puts the services together; each is built by the
//! same `app::build` as its own binary, listens on its own address and keeps its own database. They speak to each
//! other over HTTP and the event log, here too.

mod commands;
mod dead_letters;
mod event_log;
mod run;
mod system;

use std::alloc::System;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use zeroizing_alloc::ZeroAlloc;

use commands::{Arguments, Command};

/// What is freed is wiped: buffers that a card number went through.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("preorder: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            None | Some(Command::Run) => run::run(arguments.profile, arguments.data).await,
            Some(Command::Events(events)) => {
                event_log::print(&events, arguments.profile, arguments.data).await
            }
            Some(Command::DeadLetters(letters)) => dead_letters::execute(letters).await,
            Some(Command::BeginAnew(how)) => begin_anew(how.all, arguments.profile, arguments.data).await,
        }
    });
    let code = match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("preorder: {}", chassis::error_chain(error.as_ref()));
            1
        }
    };
    ending::of(runtime, code)
}

async fn begin_anew(
    all: bool,
    profile: Option<String>,
    data: Option<PathBuf>,
) -> Result<(), Box<dyn std::error::Error>> {
    let settings = system::load(profile, data)?;
    for (name, shared) in settings.readers() {
        chassis::begin_anew(name, shared, all)
            .await
            .map_err(|error| -> Box<dyn std::error::Error> { error })?;
    }
    Ok(())
}

//! `myreservation rebuild`: the view anew from the topic, while the service goes on.

mod progress;

use std::error::Error;
use std::process::ExitCode;

use chassis::{Service, SharedSettings, error_chain};
use clap::Parser;
use storage::Database;

use crate::inbound::events;
use crate::outbound::sql::{MIGRATIONS, SqlShadow};
use crate::settings::Own;
use crate::use_cases::rebuild::{Differences, Options, Rebuild, RebuildError, Report};
use progress::Progress;

/// Builds the view anew from the topic, beside the live one. Reads go on; one transaction swaps the two.
#[derive(Parser)]
#[command(name = "myreservation rebuild", version)]
struct Arguments {
    /// Compare the new view with the old one, byte for byte, and print what differs.
    #[arg(long)]
    verify: bool,
    /// Put the new view in the place of the old one also where the topic lacks what the old one was made of: a partition
    /// does not begin at 0, records are missing, reservations would vanish.
    #[arg(long)]
    force: bool,
    /// Profile of the settings; else PROFILE.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// The subcommand, with its arguments behind the word `rebuild`.
pub fn main(service: &Service<Own>) -> ExitCode {
    let arguments = Arguments::parse_from(std::env::args().skip(1));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("myreservation: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(execute(service, &arguments)) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("myreservation: {}", error_chain(error.as_ref()));
            1
        }
    };
    ending::of(runtime, code)
}

async fn execute(service: &Service<Own>, arguments: &Arguments) -> Result<(), Box<dyn Error + Send + Sync>> {
    let profile = arguments.profile.clone().or_else(|| settings::active_profile(std::env::args().skip(1)));
    let settings = service.load(profile)?.shared;
    let _telemetry = telemetry::init(service.name, &settings.log, &settings.tracing)?;
    let progress = Progress::new();
    let options = Options { verify: arguments.verify, force: arguments.force };
    let report = match rebuild(&settings, options, &|done, total| progress.show(done, total)).await {
        Ok(report) => report,
        Err(error) => {
            if let Some(RebuildError::Poorer { differences, .. }) = error.downcast_ref() {
                print_differences(differences);
            }
            return Err(error);
        }
    };
    progress.finish();
    print(&report);
    // What is dropped from here on may wait for ever.
    ending::within(ending::AFTER_THE_WORK, 0);
    Ok(())
}

/// Rebuilds the view of these settings' database from their log.
///
/// # Errors
/// The database or the log failed; the live view is as it was.
pub async fn rebuild(
    settings: &SharedSettings,
    options: Options,
    progress: &(dyn Fn(i64, i64) + Sync),
) -> Result<Report, Box<dyn Error + Send + Sync>> {
    let database = Database::open(&settings.database, &[messaging::MIGRATIONS, MIGRATIONS]).await?;
    let log = messaging::open(&settings.event_log, &settings.kafka).await?;
    let shadow = SqlShadow::new(database.clone(), settings.event_log.topic.clone());
    let rebuild = Rebuild {
        shadow: &shadow,
        log: log.as_ref(),
        topic: &settings.event_log.topic,
        read: events::add,
        options,
        progress,
    };
    let report = rebuild.run().await;
    log.flush_and_close().await;
    database.close().await;
    Ok(report?)
}

fn print(report: &Report) {
    let seconds = report.took.as_secs_f64();
    println!(
        "The view was rebuilt from {} records in {seconds:.1} s ({:.0} a second) and has taken the place of the old one.",
        report.records,
        report.records as f64 / seconds.max(0.001)
    );
    if report.unreadable > 0 {
        println!("{} records could not be read; they are among the dead letters.", report.unreadable);
    }
    for objection in &report.objections {
        println!("Forced, although {objection}.");
    }
    print_differences(&report.differences);
}

fn print_differences(differences: &Differences) {
    match differences {
        None => {}
        Some((_, 0)) => println!("The new one is the same as the old one, byte for byte."),
        Some((shown, count)) => {
            println!("The new one differs from the old one in {count} places:");
            for difference in shown {
                let how = match (difference.in_old, difference.in_new) {
                    (true, false) => "was there and is gone",
                    (false, true) => "is new",
                    _ => "has changed",
                };
                println!("  {} of reservation {} {how}", difference.table, difference.reservation_id);
            }
            if *count > shown.len() as i64 {
                println!("  ... and {} more", count - shown.len() as i64);
            }
        }
    }
}

//! Runs the whole system and ends it in order: the gateway first, so that nothing it has accepted is refused inside.

use std::error::Error;
use std::path::PathBuf;

use http_common::process;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::system::{self, System};

pub(crate) async fn run(profile: Option<String>, data: Option<PathBuf>) -> Result<(), Box<dyn Error>> {
    let settings = system::load(profile, data)?;
    let _telemetry = telemetry::init("preorder", &settings.process.log, &settings.process.tracing)?;
    settings.process.memory.apply()?;
    let stop = process::stop_signal()?;
    let system = System::build(settings).await?;
    system.greet();

    // The services stop when the gateway has.
    let services = system.services.iter().map(|service| service.stop_limit()).max().unwrap_or_default();
    let limit = system.gateway.stop_limit() + services;
    process::end_within(limit, stop.clone());

    let stop_gateway = stop.child_token();
    let stop_services = CancellationToken::new();
    let mut services = JoinSet::new();
    for application in system.services {
        let stop = stop_services.clone();
        services.spawn(application.run(stop));
    }
    let gateway = system.gateway.run(stop_gateway.clone().cancelled_owned());
    let mut gateway = tokio::spawn(gateway);

    let outcome: Result<(), Box<dyn Error>>;
    tokio::select! {
        ended = &mut gateway => outcome = ended?.map_err(Into::into),
        // A service that ends by itself takes the others with it: half a system answers wrongly.
        Some(ended) = services.join_next() => {
            outcome = ended?.map_err(Into::into);
            stop_gateway.cancel();
            gateway.await??;
        }
    }
    stop_services.cancel();
    while let Some(ended) = services.join_next().await {
        ended??;
    }
    if outcome.is_ok() {
        println!("\nStopped. The data stays; the next start continues with it.");
    }
    // What is dropped from here on may wait for ever.
    ending::within(ending::AFTER_THE_WORK, u8::from(outcome.is_err()));
    outcome
}

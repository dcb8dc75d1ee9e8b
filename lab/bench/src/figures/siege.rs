use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use harness::reaper::Watched;
use tokio::process::Command;
use tokio::time::timeout;

use super::bench::{Bench, Measure};
use super::list::loaded;
use crate::report::Figure;
use crate::reservations::PAGE_OF_20;
use harness::Error;
use harness::Service;

const ROWS: u64 = 1000;
const USERS: usize = 1000;
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// The original's tool, a thousand users at once, on a page of the view.
pub(super) struct Siege;

#[async_trait]
impl Measure for Siege {
    fn name(&self) -> &'static str {
        "siege"
    }

    fn about(&self) -> &'static str {
        "siege -c1000 on a page of the view: failed, longest; memory of all six under it"
    }

    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error> {
        let system = loaded(bench, ROWS).await?;
        let url = format!("http://{}{PAGE_OF_20}", system.address(Service::Gateway)?);
        let configuration = system.ground().directory().join("siegerc");
        std::fs::write(&configuration, include_str!("../../../siege/siegerc"))
            .map_err(Error::io("writing siege's configuration"))?;
        let seconds = bench.sizes.siege_seconds;
        let mut command = Command::new("siege");
        command
            .arg(format!("--rc={}", configuration.display()))
            .args(["--benchmark", "--json-output", &format!("-c{USERS}"), &format!("-t{seconds}S"), &url])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let child = match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::not_available("siege is not installed (apt-get install siege)"));
            }
            child => child.map_err(Error::io("starting siege"))?,
        };
        let _watched = child.id().map(Watched::new);
        // Some of its thousand threads may wait for each other at the end, without a connection and for ever.
        let patience = Duration::from_secs(seconds) + ENDS_WITHIN;
        let ended = timeout(patience, child.wait_with_output()).await;
        let output = ended
            .map_err(|_| Error::unexpected("siege did not end"))?
            .map_err(Error::io("waiting for siege"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let json: serde_json::Value = text
            .find('{')
            .and_then(|begin| serde_json::from_str(&text[begin..]).ok())
            .ok_or_else(|| Error::unexpected(format!("siege said: {text}")))?;
        let number = |name: &str| json[name].as_f64().unwrap_or(f64::NAN);
        let resident: u64 = system.resident().values().sum();
        bench.end(system).await?;
        let note = format!("{:.0} transactions, {:.0}/s", number("transactions"), number("transaction_rate"));
        Ok(vec![
            Figure::new("siege_failed", number("failed_transactions"), "").at_most(0.0).note(note),
            Figure::new("siege_longest", number("longest_transaction"), "s").below(1.0),
            Figure::new("siege_memory", resident as f64 / 1e6, "MB")
                .note("gateway and myreservation, after it"),
        ])
    }
}

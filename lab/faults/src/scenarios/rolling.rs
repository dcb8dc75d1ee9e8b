//! Every process stopped in order and started again, one after the other, while siege is there.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use harness::chaos;
use harness::reaper::Watched;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::act::{Act, Played};
use crate::run::Place;
use crate::snapshot::Snapshot;
use bench::report::Figure;
use harness::ports::free_address;
use harness::{Error, Ground, Plan, Service, System};

const USERS: u64 = 255;
/// Longer than idle connections are kept: by prereservation's client (`payment_client.pool_idle_timeout_ms`) and the gateway
/// (`upstream.idle_timeout_ms`).
const SHUTDOWN_DELAY_MS: u64 = 5000;
const READY: &str = "gateway is ready";
const READY_WITHIN: Duration = Duration::from_secs(30);
const EVEN_WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    let (users, seconds) = (act.size(USERS, 32), act.size(180, 30));
    let mut plan = Plan::all()?;
    for service in Service::ALL {
        plan.add_replica(service)?;
    }
    // As a cluster's service would: one address, each connection to one of the replicas that listen.
    let balancer = chaos::between(free_address()?, plan.addresses(Service::Payment).to_vec());
    let delay = act.size(SHUTDOWN_DELAY_MS, 4500).to_string();
    let plan = plan
        .on_one_port(Service::Gateway)
        .with(Some(Service::Gateway), "LOG_LEVEL", "info")
        .with(Some(Service::Prereservation), "URL_PAYMENT", &balancer.url())
        // Patience for a busy machine: what is looked for are requests that a restart fails.
        .with(Some(Service::Prereservation), "PAYMENT_CLIENT_TIMEOUT_MS", "5000")
        .with(Some(Service::Prereservation), "CIRCUIT_BREAKER_SLOW_CALL_DURATION_THRESHOLD_MS", "4900")
        .with(None, "SERVER_SHUTDOWN_DELAY_MS", &delay);
    let mut system = System::start(plan, Ground::new(place.stage).await?).await?;
    // Both of one port: the first answer may have been the other's.
    for replica in 0..2 {
        await_ready(&system, replica, 1).await?;
    }
    let mut siege = besiege(&system, users).await?;
    let _watched = siege.id().map(Watched::new);
    let start = Instant::now();
    let mut rounds = 0_usize;
    while rounds == 0 || start.elapsed() < Duration::from_secs(seconds) {
        rounds += 1;
        for service in Service::ALL {
            for replica in 0..2 {
                eprintln!("{:>7.1}s {}-{replica}", start.elapsed().as_secs_f64(), service.name());
                system.stop_one(service, replica).await?;
                system.start_one(service, replica).await?;
                if service == Service::Gateway {
                    await_ready(&system, replica, rounds + 1).await?;
                }
            }
        }
    }
    let said = lift(&mut siege, system.ground().directory()).await?;
    let uneven = uneven(system.ground()).await?;
    system.must_run()?;
    let ground = system.stop().await?;
    let number = |name: &str| said[name].as_f64().unwrap_or(f64::NAN);
    let failed = number("failed_transactions");
    if place.keep || failed > 0.0 || !uneven.is_empty() {
        eprintln!("data and logs stay in {}", ground.keep().display());
    } else {
        ground.remove().await?;
    }
    let restarts = rounds * 2 * Service::ALL.len();
    let figures = vec![
        Figure::new("failed_requests", failed, "").at_most(0.0).note(format!(
            "of {:.0} by siege -c{users} in {:.0} s, {restarts} restarts; longest {} s",
            number("transactions") + failed,
            start.elapsed().as_secs_f64(),
            number("longest_transaction"),
        )),
        Figure::new("uneven_after", uneven.len() as f64, "").at_most(0.0).note(uneven.join("; ")),
    ];
    Ok(Played { figures, outcome: None })
}

/// Readers and customers.
async fn besiege(system: &System, users: u64) -> Result<Child, Error> {
    let directory = system.ground().directory();
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(Error::io(format!("writing {}", path.display())))?;
        Ok::<_, Error>(path)
    };
    let body = write("reservation.json", include_str!("../../../siege/reservation.json").to_owned())?;
    // siege 4.0.7 takes no notice of an answer's `Connection: close`: it would send its next request into a closed connection.
    let configuration = include_str!("../../../siege/siegerc").replace("= keep-alive", "= close");
    let configuration = write("siegerc", configuration)?;
    let gateway = system.address(Service::Gateway)?.to_string();
    let urls = include_str!("../../../siege/urls.txt")
        .replace("localhost:8088", &gateway)
        .replace("lab/siege/reservation.json", &body.display().to_string());
    let urls = write("urls.txt", urls)?;
    let log = directory.join("siege.log");
    let errors = std::fs::File::create(&log).map_err(Error::io("creating siege's log"))?;
    let child = Command::new("siege")
        .arg(format!("--rc={}", configuration.display()))
        .args(["--json-output", "--delay=0.2", &format!("-c{users}"), "-t1H"])
        .args(["--content-type", "application/json", "-f"])
        .arg(urls)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .kill_on_drop(true)
        .spawn();
    match child {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::not_available("siege is not installed (apt-get install siege)"))
        }
        child => child.map_err(Error::io("starting siege")),
    }
}

/// Ends it as Ctrl-C does: then it counts.
async fn lift(siege: &mut Child, directory: &Path) -> Result<Value, Error> {
    if let Some(pid) = siege.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::INT);
    }
    let mut text = Vec::new();
    if let Some(output) = &mut siege.stdout {
        tokio::io::AsyncReadExt::read_to_end(output, &mut text).await.map_err(Error::io("reading siege"))?;
    }
    let text = String::from_utf8_lossy(&text);
    let json = text.find('{').and_then(|begin| serde_json::from_str(&text[begin..]).ok());
    let errors = || std::fs::read_to_string(directory.join("siege.log")).unwrap_or_default();
    json.ok_or_else(|| Error::unexpected(format!("siege said: {text} {}", errors())))
}

/// A gateway that shares its port says in its log that it is there.
async fn await_ready(system: &System, replica: usize, times: usize) -> Result<(), Error> {
    let log = system.log(Service::Gateway, replica);
    let start = Instant::now();
    while std::fs::read_to_string(&log).unwrap_or_default().matches(READY).count() < times {
        if start.elapsed() > READY_WITHIN {
            return Err(Error::unexpected(format!("gateway-{replica} is not ready after {READY_WITHIN:?}")));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// What is not whole within a minute: siege keeps no log of its reservations, but all of them must be somewhere.
async fn uneven(ground: &Ground) -> Result<Vec<String>, Error> {
    let start = Instant::now();
    loop {
        let snapshot = Snapshot::take(ground).await?;
        let mut uneven = snapshot.unfinished.clone();
        let standing = snapshot.reservations.values().filter(|row| row.status == "reservated").count();
        let pending = snapshot.reservations.values().filter(|row| row.status == "pending").count();
        let paid = snapshot.payments.values().filter(|row| row.status == "paid").count();
        let issued = snapshot.receipts.values().filter(|row| row.status == "receipt_issued").count();
        let whole = snapshot.view.values().filter(|view| view.receipt == "receipt_issued").count();
        if pending > 0 || [paid, issued, whole] != [standing; 3] {
            uneven.push(format!(
                "{standing} stand, {pending} wait, {paid} are paid, {issued} have a receipt, {whole} are in the view"
            ));
        }
        if uneven.is_empty() || start.elapsed() > EVEN_WITHIN {
            return Ok(uneven);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

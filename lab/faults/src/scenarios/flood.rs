//! Records that nobody can read, by the ten thousand: the last thousand costs what the first one did, and all others pass.

use std::time::{Duration, Instant};

use messaging::Record;

use super::act::{Act, Played};
use super::probe::Probe;
use crate::poison;
use crate::run::Place;
use crate::snapshot::Reader;
use bench::report::Figure;
use harness::cpu::{Group, Sample};
use harness::{Error, Ground, Plan, Service, System};

const CONSUMERS: [Service; 3] = [Service::Payment, Service::Receipt, Service::Myreservation];
/// The cost of a bad record may not follow the number of those before it. What it does follow, indexes that grow and the
/// noise of a machine, is far below.
const DEARER: f64 = 2.5;
/// A wave that takes so long will not end.
const WAVE_WITHIN: Duration = Duration::from_secs(180);
const PROBE_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    let (waves, size) = (act.size(10, 4), act.size(2_000, 500));
    let plan = Plan::all()?
        .with(Some(Service::Payment), "PROVIDER_ERROR_RATE", "0")
        .with(Some(Service::Prereservation), "PAYMENT_CLIENT_TIMEOUT_MS", "10000")
        .with(Some(Service::Prereservation), "CIRCUIT_BREAKER_SLOW_CALL_DURATION_THRESHOLD_MS", "9900");
    let mut system = System::start(plan, Ground::new(place.stage).await?).await?;
    let log = system.ground().open_log().await?;
    let groups: Vec<Group> = CONSUMERS
        .into_iter()
        .filter_map(|service| Some(Group::one(service.name(), system.pid(service, 0)?)))
        .collect();
    let mut probe = Probe::new(&system, PROBE_WITHIN)?;
    let alone = probe.goes_through(&mut system).await?;
    let (mut costs, mut late, mut longest) = (Vec::new(), 0, Duration::ZERO);
    for wave in 0..waves {
        let before = Sample::take(&groups);
        let records: Vec<Record> = (0..size).map(|n| bad(&system, wave * size + n)).collect();
        for result in log.publish(&records).await {
            result.map_err(|error| Error::EventLog(error.to_string()))?;
        }
        // Behind the bad ones in its partition, and beside them in others.
        let seen = probe.goes_through(&mut system).await?;
        late += u32::from(seen.whole.is_none()) + u32::from(seen.refunded.is_none());
        longest = longest.max(seen.whole.unwrap_or(PROBE_WITHIN)).max(seen.refunded.unwrap_or(PROBE_WITHIN));
        if !set_aside(&mut system, (wave + 1) * size).await? {
            break;
        }
        let cost = Sample::take(&groups).since(&before).total().as_secs_f64() * 1e3 / size as f64;
        eprintln!("{:>6} bad records: {cost:.2} ms of CPU each, in all three", (wave + 1) * size);
        costs.push(cost);
    }
    log.flush_and_close().await;
    let ground = system.stop().await?;
    let dearer = match (costs.first(), costs.last()) {
        (Some(first), Some(last)) if costs.len() > 1 => last / first,
        _ => f64::NAN,
    };
    let figures = vec![
        Figure::new("bad_records_set_aside", (costs.len() as i64 * size) as f64, "")
            .at_least((waves * size) as f64),
        Figure::new("last_to_first", dearer, "x")
            .below(DEARER)
            .note(format!("CPU of a bad record in the last wave of {size} and in the first")),
        Figure::new("probes_late", f64::from(late), "").at_most(0.0).note(format!(
            "whole or refunded after {PROBE_WITHIN:?}; the longest {:.1} s, alone {:.1} s",
            longest.as_secs_f64(),
            alone.whole.unwrap_or(PROBE_WITHIN).as_secs_f64()
        )),
    ];
    if place.keep || figures.iter().any(|figure| figure.met == Some(false)) {
        eprintln!("data and logs stay in {}", ground.keep().display());
    } else {
        ground.remove().await?;
    }
    Ok(Played { figures, outcome: None })
}

/// Of a key that nobody has.
fn bad(system: &System, number: i64) -> Record {
    Record {
        topic: system.ground().event_log.topic.clone(),
        key: Some(format!("nobody-{number}")),
        payload: format!("no json at all, {number}").into_bytes(),
        headers: vec![(poison::HEADER.to_owned(), b"flood".to_vec())],
        timestamp_ms: storage::now_ms(),
    }
}

/// Whether all three have put so many away.
async fn set_aside(system: &mut System, wanted: i64) -> Result<bool, Error> {
    let start = Instant::now();
    while start.elapsed() < WAVE_WITHIN {
        system.must_run()?;
        let mut least = i64::MAX;
        for service in CONSUMERS {
            let mut reader = Reader::open(system.ground(), service.name()).await?;
            least = least.min(reader.number("SELECT COUNT(*) FROM dead_letter").await?);
        }
        if least >= wanted {
            return Ok(true);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(false)
}

//! The local log's file is damaged, under load: reserving goes on, health says that nothing is told, and when the file was
//! restored everything is.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::Signal;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::act::{Act, Played};
use super::health;
use crate::orders::Habits;
use crate::run::{Place, Show, plan};
use crate::settings::Settings;
use bench::report::Figure;
use harness::{Error, Service, System};

const SAID_WITHIN: Duration = Duration::from_secs(60);
const TRIES: u32 = 50;
/// SQLite's, where nobody says otherwise.
const PAGE: usize = 4096;
/// No page of SQLite's begins like this.
const GARBAGE: [u8; PAGE] = [0x5a; PAGE];

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    if place.stage.infra.is_some() {
        return Err(Error::not_available("Kafka keeps copies of its log; --against embedded"));
    }
    let (seed, replicas, poison) = (act.seed, act.replicas, 0.0);
    let settings = Settings { seed, reservations: u64::MAX, kills: 0, replicas, customers: 8, poison };
    let habits = Habits { pause: Duration::from_millis(100), ..Habits::default() };
    let mut show = Show::open(place, &settings, habits, plan(replicas)?).await?;
    show.shop.allowed.store(u64::MAX, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(act.size(20, 3))).await;

    let file = show.system.ground().directory().join("events.db");
    let damaged_at = show.shop.book.now();
    let whole = damage(&show.system, replicas, &file).await?;
    eprintln!("{} pages of the log are damaged; {} reserved", whole.len(), show.shop.book.reserved());
    // Whoever tells, and whoever reads.
    let (said_after, down) = health::until(&show.system, SAID_WITHIN, |down| {
        ["prereservation.outbox", "payment.outbox", "prereservation.kafka", "myreservation.kafka"]
            .iter()
            .all(|name| down.iter().any(|down| down == name))
    })
    .await;
    tokio::time::sleep(Duration::from_secs(act.size(60, 3))).await;
    let not_ready = health::not_ready(&show.system).await;
    let ended = show.system.must_run().err().map(|error| error.to_string());
    let restored_at = show.shop.book.now();
    // As an operator does it: with the services stopped.
    for service in Service::ALL.into_iter().filter(|service| service.has_database()) {
        for replica in 0..replicas {
            show.system.kill(service, replica);
            show.deeds.kills += 1;
        }
    }
    restore(&file, &whole)?;
    show.nemesis(|shop| shop.book.reserved()).all_run().await?;
    eprintln!("the log is whole again; {} reserved", show.shop.book.reserved());
    let (well_after, unwell) = health::until(&show.system, SAID_WITHIN, <[String]>::is_empty).await;
    tokio::time::sleep(Duration::from_secs(act.size(20, 3))).await;
    show.shop.closed.store(true, Ordering::SeqCst);
    show.deeds.ended.extend(ended.clone());
    let outcome = show.close(Vec::new()).await?;

    let meanwhile = health::statuses(&outcome.pages.posts, damaged_at, restored_at);
    let reserved = meanwhile.get(&201).copied().unwrap_or_default();
    let seen = health::Seen { within: SAID_WITHIN, said_after, down, not_ready, ended, well_after, unwell };
    let mut figures = vec![
        Figure::new("reserved_without_a_log", reserved as f64, "")
            .at_least(1.0)
            .note(format!("{meanwhile:?}; nobody needs the log to reserve and to pay")),
    ];
    figures.extend(seen.figures(&meanwhile));
    let figures = figures.into_iter().map(health::required).collect();
    Ok(Played { figures, outcome: Some(outcome) })
}

/// Every page but the first one, which says that this is a database. What stood there, by its place.
async fn damage(system: &System, replicas: usize, path: &Path) -> Result<BTreeMap<u64, Vec<u8>>, Error> {
    // Nobody writes, and all that was written lies in the file itself.
    let mut tries = 0;
    loop {
        signal(system, replicas, Signal::STOP);
        if is_checkpointed(path).await? {
            break;
        }
        signal(system, replicas, Signal::CONT);
        tries += 1;
        if tries == TRIES {
            return Err(Error::unexpected("the log was never without a writer"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let damaged = overwrite(path);
    signal(system, replicas, Signal::CONT);
    damaged.map_err(Error::io("damaging the log"))
}

fn overwrite(path: &Path) -> std::io::Result<BTreeMap<u64, Vec<u8>>> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut whole = BTreeMap::new();
    let mut place = PAGE as u64;
    while place < file.metadata()?.len() {
        let mut page = vec![0; PAGE];
        file.read_exact_at(&mut page, place)?;
        file.write_all_at(&GARBAGE, place)?;
        whole.insert(place, page);
        place += PAGE as u64;
    }
    Ok(whole)
}

/// Where nobody has written meanwhile: what a process could still write is newer.
fn restore(path: &Path, whole: &BTreeMap<u64, Vec<u8>>) -> Result<(), Error> {
    let restored = || {
        let file = File::options().read(true).write(true).open(path)?;
        for (place, page) in whole {
            let mut now = vec![0; PAGE];
            file.read_exact_at(&mut now, *place)?;
            if now == GARBAGE {
                file.write_all_at(page, *place)?;
            }
        }
        file.sync_all()
    };
    restored().map_err(Error::io("restoring the log"))
}

async fn is_checkpointed(path: &Path) -> Result<bool, Error> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_millis(100));
    let mut connection = options.connect().await.map_err(Error::sql("opening the log"))?;
    let answer: Result<(i64, i64, i64), _> =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await;
    connection.close().await.map_err(Error::sql("closing the log"))?;
    Ok(answer.is_ok_and(|(busy, _, _)| busy == 0))
}

fn signal(system: &System, replicas: usize, signal: Signal) {
    for service in Service::ALL.into_iter().filter(|service| service.has_database()) {
        for replica in 0..replicas {
            system.signal(service, replica, signal);
        }
    }
}

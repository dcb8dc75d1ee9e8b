//! The disk is full, under load: whoever writes is refused, health says so, and with space again all goes on by itself.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempDir;

use super::act::{Act, Played};
use super::health;
use crate::orders::Habits;
use crate::run::{Place, Show, plan};
use crate::settings::Settings;
use bench::report::Figure;
use harness::{Error, Stage};

/// Room for the customers of a minute, and for what SQLite writes ahead.
const SIZE: &str = "size=256m";
const CHUNK: usize = 4096;
const SAID_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn play(place: Place<'_>, act: Act) -> Result<Played, Error> {
    if place.stage.infra.is_some() {
        return Err(Error::not_available(
            "the disk of PostgreSQL and Kafka is everybody's; --against embedded",
        ));
    }
    let disk = SmallDisk::mount(&place.stage.data)?;
    let binaries = place.stage.binaries.clone();
    let stage = Arc::new(Stage { binaries, data: disk.directory.path().to_owned(), infra: None });
    let (seed, replicas, poison) = (act.seed, act.replicas, 0.0);
    let settings = Settings { seed, reservations: u64::MAX, kills: 0, replicas, customers: 8, poison };
    let habits = Habits { pause: Duration::from_millis(100), ..Habits::default() };
    let mut show = Show::open(Place { stage: &stage, ..place }, &settings, habits, plan(replicas)?).await?;
    show.shop.allowed.store(u64::MAX, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(act.size(20, 3))).await;

    let full_at = show.shop.book.now();
    let filling = disk.fill()?;
    eprintln!("the disk is full; {} reserved", show.shop.book.reserved());
    // Both: the space that is missing, and a write that failed for it.
    let (said_after, down) = health::until(&show.system, SAID_WITHIN, |down| {
        down.iter().any(|name| name.ends_with(".diskSpace"))
            && down.iter().any(|name| name.ends_with(".db") || name.ends_with(".outbox"))
    })
    .await;
    tokio::time::sleep(Duration::from_secs(act.size(60, 5))).await;
    let not_ready = health::not_ready(&show.system).await;
    let ended = show.system.must_run().err().map(|error| error.to_string());
    let space_at = show.shop.book.now();
    drop(filling);
    disk.clear()?;
    eprintln!("there is space again; {} reserved", show.shop.book.reserved());
    let (well_after, unwell) = health::until(&show.system, SAID_WITHIN, <[String]>::is_empty).await;
    tokio::time::sleep(Duration::from_secs(act.size(20, 3))).await;
    show.shop.closed.store(true, Ordering::SeqCst);
    show.deeds.ended.extend(ended.clone());
    let outcome = show.close(Vec::new()).await?;

    let posts = &outcome.pages.posts;
    let full = health::statuses(posts, full_at, space_at);
    let refused: usize = full.get(&503).copied().unwrap_or_default();
    let later = health::statuses(posts, space_at, Duration::MAX).get(&201).copied().unwrap_or_default();
    let seen = health::Seen { within: SAID_WITHIN, said_after, down, not_ready, ended, well_after, unwell };
    let mut figures = vec![
        Figure::new("refused_on_a_full_disk", refused as f64, "").at_least(1.0).note(format!("{full:?}")),
    ];
    figures.extend(seen.figures(&full));
    figures.push(Figure::new("reserved_with_space_again", later as f64, "").at_least(1.0));
    let figures = figures.into_iter().map(health::required).collect();
    if outcome.failed() {
        disk.keep();
    }
    Ok(Played { figures, outcome: Some(outcome) })
}

/// A file system of its own: nobody else runs out of space.
struct SmallDisk {
    directory: TempDir,
    mounted: bool,
}

impl SmallDisk {
    fn mount(below: &Path) -> Result<Self, Error> {
        let made = tempfile::Builder::new().prefix("small-disk-").tempdir_in(below);
        let mut disk = Self { directory: made.map_err(Error::io("creating a directory"))?, mounted: false };
        let path = disk.directory.path();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "none"]).arg(path).output();
        disk.mounted = mount.map_err(Error::io("starting mount"))?.status.success();
        if disk.mounted {
            Ok(disk)
        } else {
            Err(Error::not_available("only root may mount a small file system to fill it"))
        }
    }

    /// To the last byte. The file stays open.
    fn fill(&self) -> Result<std::fs::File, Error> {
        let mut file = std::fs::File::create(self.filling()).map_err(Error::io("filling the disk"))?;
        loop {
            match file.write_all(&[b'x'; CHUNK]) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(file),
                Err(error) => return Err(Error::io("filling the disk")(error)),
            }
        }
    }

    fn clear(&self) -> Result<(), Error> {
        std::fs::remove_file(self.filling()).map_err(Error::io("clearing the disk"))
    }

    fn filling(&self) -> std::path::PathBuf {
        self.directory.path().join("filling")
    }

    /// For whoever wants to see what was found.
    fn keep(mut self) {
        self.mounted = false;
        self.directory.disable_cleanup(true);
        eprintln!("data and logs stay in {}, until it is unmounted", self.directory.path().display());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            // Whatever still has a file open there is about to end.
            let _ = Command::new("umount").arg("--lazy").arg(self.directory.path()).status();
        }
    }
}

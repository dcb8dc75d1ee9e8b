//! What figures are made with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::closed_loop::{ClosedLoop, Requests, Until};
use crate::plot::Plot;
use crate::report::Figure;
use crate::tally::Run;
use harness::ground::{Ground, Stage};
use harness::{Error, Plan, Service, System};

/// Something that can be measured by its name.
#[async_trait]
pub trait Measure: Send + Sync {
    fn name(&self) -> &'static str;
    /// One line for `--list`.
    fn about(&self) -> &'static str;
    /// Whether `all` includes it.
    fn in_all(&self) -> bool {
        true
    }
    /// # Errors
    /// Why there is no figure.
    async fn measure(&self, bench: &Bench) -> Result<Vec<Figure>, Error>;
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Repetitions whose median counts.
    pub rounds: usize,
    /// One run of a load.
    pub run: Duration,
    /// Reservations of one run that counts them.
    pub reservations: u64,
    /// Reservations behind the memory figure.
    pub memory: u64,
    /// The largest number of rows, facts, ...
    pub rows: u64,
    /// Reservations that a receipt service missed.
    pub missed: u64,
    pub overload: Duration,
    pub siege_seconds: u64,
    pub idle_connections: usize,
}

impl Sizes {
    /// What the goals ask for.
    pub const FULL: Self = Self {
        rounds: 5,
        run: Duration::from_secs(4),
        reservations: 3000,
        memory: 10_000,
        rows: 1_000_000,
        missed: 100_000,
        overload: Duration::from_secs(60),
        siege_seconds: 60,
        idle_connections: 9_000,
    };

    /// To see whether something works, and about where it stands.
    pub const QUICK: Self = Self {
        rounds: 3,
        run: Duration::from_millis(800),
        reservations: 500,
        memory: 1000,
        rows: 10_000,
        missed: 3000,
        overload: Duration::from_secs(4),
        siege_seconds: 4,
        idle_connections: 1000,
    };

    /// For CI: numbers too small to mean anything.
    pub const SMOKE: Self = Self {
        rounds: 1,
        run: Duration::from_millis(300),
        reservations: 40,
        memory: 100,
        rows: 1000,
        missed: 200,
        overload: Duration::from_millis(800),
        siege_seconds: 1,
        idle_connections: 100,
    };
}

/// What figures are made with.
pub struct Bench {
    pub stage: Arc<Stage>,
    pub sizes: Sizes,
    /// Where plots go; none are made without.
    pub plots: Option<PathBuf>,
    /// Reservations a second that the system takes at most; measured once.
    pub(super) saturation: OnceCell<f64>,
}

/// Enough for anything that is still in flight.
pub(super) const SETTLED_WITHIN: Duration = Duration::from_secs(60);

impl Bench {
    pub fn new(stage: Arc<Stage>, sizes: Sizes, plots: Option<&Path>) -> Self {
        Self { stage, sizes, plots: plots.map(Path::to_owned), saturation: OnceCell::new() }
    }

    /// All six on empty ground.
    ///
    /// # Errors
    /// They do not start.
    pub async fn system(&self) -> Result<System, Error> {
        System::start_all(&self.stage).await
    }

    /// Some of them.
    ///
    /// # Errors
    /// They do not start.
    pub async fn some(&self, services: &[Service], ground: Ground) -> Result<System, Error> {
        System::start(Plan::new(services)?, ground).await
    }

    /// Stops a system and leaves nothing behind.
    ///
    /// # Errors
    /// A process did not end in order.
    pub async fn end(&self, system: System) -> Result<(), Error> {
        system.stop().await?.remove().await
    }

    /// A closed loop against one service.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn load(
        &self,
        system: &System,
        service: Service,
        connections: usize,
        until: Until,
        requests: &Requests,
    ) -> Result<Run, Error> {
        let address = system.address(service)?;
        ClosedLoop { address, connections, until, requests: Arc::clone(requests), watch: None }.run().await
    }

    /// # Errors
    /// The file cannot be written.
    pub fn plot(&self, name: &str, plot: &Plot<'_>) -> Result<(), Error> {
        let Some(directory) = &self.plots else { return Ok(()) };
        std::fs::create_dir_all(directory).map_err(Error::io(format!("creating {}", directory.display())))?;
        plot.write(&directory.join(format!("{name}-{}.svg", self.stage.against().name())))
    }
}

/// Says what happens on a long way.
pub(super) fn progress(text: impl AsRef<str>) {
    eprintln!("  {}", text.as_ref());
}

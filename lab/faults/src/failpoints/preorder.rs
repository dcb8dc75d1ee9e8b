//! The six services as one process of a test build, on data that outlives it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failpoints::weave;
use harness::http::Client;
use harness::process::Process;
use harness::{Error, Ground, Plan, Service};

const UP_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// Short, so that what is waited for on purpose takes seconds; in the order in which they must be longer than another.
const SETTINGS: [(&str, &str); 15] = [
    ("PROVIDER_LATENCY_MIN_MS", "60"),
    ("PROVIDER_LATENCY_MAX_MS", "160"),
    ("UNDO_ABANDONED_AFTER_MS", "800"),
    ("UNDO_LONGEST_BACKOFF_MS", "400"),
    ("PAYMENT_CLIENT_TIMEOUT_MS", "1500"),
    ("SAGA_TAKE_OVER_AFTER_MS", "1600"),
    ("SAGA_LOOK_EVERY_MS", "50"),
    ("CONSUMER_LONGEST_BACKOFF_MS", "200"),
    ("CONSUMER_ATTEMPTS", "3"),
    // The breaker is not what is tried here.
    ("CIRCUIT_BREAKER_MINIMUM_NUMBER_OF_CALLS", "100"),
    ("CIRCUIT_BREAKER_SLOW_CALL_DURATION_THRESHOLD_MS", "1400"),
    ("SERVER_WORKERS", "1"),
    ("SERVER_SHUTDOWN_TIMEOUT_MS", "1000"),
    ("DATABASE_MAX_CONNECTIONS", "4"),
    ("DATABASE_ACQUIRE_TIMEOUT_MS", "5000"),
];

/// Builds the program with its failpoints, and copies it to where no other build replaces it.
///
/// # Errors
/// cargo failed.
pub fn build(directory: &Path) -> Result<PathBuf, Error> {
    eprintln!("building preorder with its failpoints");
    let mut command = weave::cargo()?;
    // The whole workspace's features, so that libraries that others have built are not built again.
    command.args(["build", "--quiet", "--workspace", "--bin", "preorder"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    let output =
        command.stderr(std::process::Stdio::inherit()).output().map_err(Error::io("starting cargo"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let built = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|said| {
            (said["target"]["name"] == "preorder")
                .then(|| said["executable"].as_str().map(PathBuf::from))
                .flatten()
        });
    let Some(built) = built.filter(|_| output.status.success()) else {
        return Err(Error::unexpected("cargo build failed"));
    };
    let copy = directory.join("preorder");
    std::fs::copy(&built, &copy).map_err(Error::io(format!("copying {}", built.display())))?;
    Ok(copy)
}

pub struct Preorder {
    program: PathBuf,
    plan: Plan,
    sabotage: Option<String>,
    process: Option<Process>,
    log: PathBuf,
    /// How much of the log was there at the last start.
    read: usize,
}

impl Preorder {
    /// Not started yet.
    ///
    /// # Errors
    /// No port is free.
    pub fn new(program: &Path, ground: &Ground, sabotage: Option<String>) -> Result<Self, Error> {
        let log = ground.directory().join("preorder.log");
        Ok(Self { program: program.to_owned(), plan: Plan::all()?, sabotage, process: None, log, read: 0 })
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Starts it with these failpoints and waits until somebody answers, or until it has ended.
    ///
    /// # Errors
    /// It cannot be started, or neither happens.
    pub async fn start(&mut self, ground: &Ground, failpoints: &str) -> Result<(), Error> {
        self.read = self.said().len();
        let mut command = Command::new(&self.program);
        command.env_clear().env("FAILPOINTS", failpoints).env("DATA_DIR", ground.directory());
        command.env("LOG_LEVEL", "warn").current_dir(ground.directory());
        if let Some(switch) = &self.sabotage {
            command.env("SABOTAGE", switch);
        }
        for service in Service::ALL {
            let prefix = service.name().to_uppercase();
            let port = self.plan.addresses(service).first().map_or(0, |address| address.port());
            for (name, value) in SETTINGS {
                command.env(format!("{prefix}_{name}"), value);
            }
            command.env(format!("{prefix}_SERVER_PORT"), port.to_string());
        }
        self.process = Some(Process::start("preorder", &mut command, &self.log)?);
        let Some(gateway) = self.plan.addresses(Service::Gateway).first().copied() else { return Ok(()) };
        let start = Instant::now();
        let mut last = String::new();
        while start.elapsed() < UP_WITHIN {
            if self.has_ended() {
                return Ok(());
            }
            let mut client = Client::new(gateway, Duration::from_secs(10));
            match client.get("/preReservations?size=1").await {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) => last = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Error::unexpected(format!("preorder does not answer at {gateway}: {last}")))
    }

    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.ended().is_some())
    }

    /// Whether the step was hit since the last start.
    pub fn was_hit(&self, step: &str) -> bool {
        let said = self.said();
        let since = said.get(self.read..).unwrap_or_default();
        since.contains(&format!("failpoint {step}: "))
    }

    /// Waits for an end that is under way.
    ///
    /// # Errors
    /// There is none.
    pub async fn ends(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        while start.elapsed() < ENDS_WITHIN {
            if self.has_ended() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(Error::unexpected("preorder was killed by its own hand, and lives"))
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n    ")
    }
}

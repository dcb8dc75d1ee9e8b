//! Kafka and PostgreSQL of `infra/up`: killed, and brought back however long that takes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::links::Doors;
use harness::Error;
use harness::binaries::workspace;
use harness::infra::OWNER;

/// A Kafka on a machine that is busy with other things may take minutes.
const PATIENCE_SECONDS: &str = "300";
const TRIES: u32 = 2;

pub struct Infrastructure {
    state: PathBuf,
    /// Through which each process reaches Kafka.
    pub doors: Doors,
}

impl Infrastructure {
    /// Starts both, Kafka with a door for each process.
    ///
    /// # Errors
    /// One does not start.
    pub async fn start(state: PathBuf, replicas: usize) -> Result<Self, Error> {
        let infrastructure = Self { state, doors: Doors::new(replicas)? };
        // One that runs already has other doors.
        infrastructure.script("down", &["kafka"]).await?;
        for part in ["kafka", "postgres"] {
            infrastructure.up(part).await?;
        }
        Ok(infrastructure)
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// It does not end.
    pub async fn kill(&self, part: &str) -> Result<(), Error> {
        self.take_away("--kill", part).await
    }

    /// `how`: an option of infra/down.
    ///
    /// # Errors
    /// It does not end.
    pub async fn take_away(&self, how: &str, part: &str) -> Result<(), Error> {
        if self.script("down", &[how, part]).await? {
            Ok(())
        } else {
            Err(Error::unexpected(format!("infra/down {how} {part} failed")))
        }
    }

    /// Returns once it answers; with what was out of the ordinary.
    ///
    /// # Errors
    /// It does not come back.
    pub async fn up(&self, part: &str) -> Result<Option<String>, Error> {
        for tries in 1..=TRIES {
            if self.script("up", &[part]).await? {
                return Ok(
                    (tries > 1).then(|| format!("{part} was back only after {tries} calls of infra/up"))
                );
            }
            // One that is still starting after all would be taken for one that runs.
            self.script("down", &["--kill", part]).await?;
        }
        Err(Error::unexpected(format!("{part} does not come back")))
    }

    async fn script(&self, name: &str, arguments: &[&str]) -> Result<bool, Error> {
        let status = tokio::process::Command::new(workspace().join("infra").join(name))
            .args(arguments)
            .env("INFRA_STATE", &self.state)
            .env(OWNER, std::process::id().to_string())
            .env("INFRA_PATIENCE", PATIENCE_SECONDS)
            .env("INFRA_KAFKA_DOORS", self.doors.to_environment())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .await
            .map_err(Error::io(format!("starting infra/{name}")))?;
        Ok(status.success())
    }
}

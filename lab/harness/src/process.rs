//! A child process: its output in a file, its end certain, also when this program is killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::reaper::Watched;
use rustix::process::{Pid, Signal, kill_process};

use crate::Error;

const LOG_LINES_SHOWN: usize = 5;

/// Killed when dropped.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    /// Dropped after the child was waited for.
    _watched: Watched,
}

impl Process {
    /// Starts the command with its output appended to the file.
    ///
    /// # Errors
    /// The program is not there, the file cannot be written.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self, Error> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(Error::io(format!("opening {}", log.display())))?;
        let second = file.try_clone().map_err(Error::io("sharing a log file"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(second)
            .spawn()
            .map_err(Error::io(format!("starting {}", command.get_program().display())))?;
        let watched = Watched::new(child.id());
        Ok(Self { child, name: name.to_owned(), log: log.to_owned(), _watched: watched })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its exit status once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// # Errors
    /// It has ended; the message has the end of its log.
    pub fn must_run(&mut self) -> Result<(), Error> {
        match self.ended() {
            None => Ok(()),
            Some(status) => {
                Err(Error::unexpected(format!("{} ended ({status}): {}", self.name, self.last_words())))
            }
        }
    }

    /// The end of its log, in one line.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join(" | ")
    }

    /// Sends a signal; one that has ended does not mind.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Not reaped before we reap it, so the id is still its own.
            let _ = kill_process(pid, signal);
        }
    }

    /// SIGTERM, and its status; SIGKILL if it does not end in time.
    ///
    /// # Errors
    /// It had to be killed.
    pub async fn stop(mut self, patience: Duration) -> Result<ExitStatus, Error> {
        self.signal(Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < patience {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(Error::unexpected(format!("{} did not end within {patience:?} of SIGTERM", self.name)))
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.end();
        }
    }
}

//! One program, running or not, with everything that it said.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, PoisonError};

use rustix::process::Signal;

use harness::process;
use harness::waiting::{PATIENCE, eventually};

pub struct Process {
    name: &'static str,
    program: PathBuf,
    environment: Vec<(String, String)>,
    directory: PathBuf,
    log: PathBuf,
    child: Mutex<Option<process::Process>>,
}

impl Process {
    /// Not started yet. It will know these variables and no others; what it says goes to `log`.
    pub fn new(
        name: &'static str,
        program: &Path,
        environment: Vec<(String, String)>,
        directory: &Path,
        log: PathBuf,
    ) -> Self {
        Self {
            name,
            program: program.to_owned(),
            environment,
            directory: directory.to_owned(),
            log,
            child: Mutex::new(None),
        }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// # Panics
    /// When it runs already, or cannot be started.
    pub fn start(&self) {
        let mut child = self.child();
        assert!(child.is_none(), "{} runs already", self.name);
        let started = process::Process::start(self.name, &mut self.command(), &self.log);
        *child = Some(started.unwrap_or_else(|error| panic!("{error}")));
    }

    /// The program with its environment, for another call of it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let inherited = ["PATH", "HOME", "TMPDIR"].into_iter().filter_map(|name| {
            let value: OsString = std::env::var_os(name)?;
            Some((name, value))
        });
        command
            .env_clear()
            .envs(inherited)
            .env("RUST_BACKTRACE", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.directory);
        command
    }

    /// SIGTERM, and the wait for the end.
    pub async fn stop(&self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// SIGKILL: as a crash.
    pub async fn kill(&self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    /// SIGSTOP: it is there, and does nothing.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    pub fn is_running(&self) -> bool {
        self.child().as_mut().is_some_and(|child| child.ended().is_none())
    }

    /// Everything that it wrote to standard output and standard error, over all its starts.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        self.child().as_ref().unwrap_or_else(|| panic!("{} does not run", self.name)).signal(signal);
    }

    /// # Panics
    /// When it does not run.
    pub fn id(&self) -> u32 {
        self.child().as_ref().unwrap_or_else(|| panic!("{} does not run", self.name)).pid()
    }

    pub async fn ended(&self) -> ExitStatus {
        let status = eventually(PATIENCE, &format!("{} ends", self.name), async || {
            self.child().as_mut().and_then(process::Process::ended).ok_or("it runs")
        })
        .await;
        drop(self.child().take());
        status
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<process::Process>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

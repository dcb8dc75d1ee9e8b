//! The servers of `infra/up`, by its scripts.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

/// What one test does to a server, all others would see.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

pub(crate) struct Infra {
    state: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Infra {
    /// `None`, and it is said, where the servers are not this machine's own.
    pub(crate) async fn alone() -> Option<Self> {
        let state = std::env::var("TEST_INFRA_STATE").unwrap_or_default();
        if state.is_empty() {
            // Not by a macro: the test harness would keep it to itself.
            let said = writeln!(
                std::io::stderr(),
                "*** servers: frozen and restarted servers are NOT covered, TEST_INFRA_STATE is not set (infra/up prints it) ***"
            );
            said.unwrap();
            return None;
        }
        Some(Self { state: state.into(), _alone: ONE_AT_A_TIME.lock().await })
    }

    /// Stops the process of Kafka where it is, until the answer is dropped: its connections stay open, and nobody answers.
    pub(crate) fn freeze_kafka(&self) -> Frozen {
        let pid = std::fs::read_to_string(self.state.join("kafka/pid")).unwrap().trim().to_owned();
        signal("-STOP", &pid);
        Frozen { pid }
    }

    /// As `pg_ctl restart -m immediate`: PostgreSQL ends at once and recovers when it starts.
    pub(crate) fn restart_postgres(&self) -> JoinHandle<()> {
        let state = self.state.clone();
        tokio::task::spawn_blocking(move || {
            script(&state, "down", &["--immediate", "postgres"]);
            script(&state, "up", &["postgres"]);
        })
    }
}

fn script(state: &Path, name: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra").join(name);
    let status = Command::new(script)
        .args(arguments)
        .env("INFRA_STATE", state)
        .env("INFRA_PATIENCE", "300")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "infra/{name} failed");
}

pub(crate) struct Frozen {
    pid: String,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", &self.pid);
    }
}

fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([name, pid]).status().unwrap().success(), "kill {name} {pid}");
}

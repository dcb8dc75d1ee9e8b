//! For tests: a runner is killed, and whatever it had started ends.
#![allow(clippy::unwrap_used, reason = "only tests call this")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};

const PATIENCE: Duration = Duration::from_secs(60);

/// A program that says its process id, and then does nothing.
pub fn idle(path: &Path) {
    std::fs::write(path, "#!/bin/sh\necho $$ > \"$0.$$.pid\"\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Of the programs of that directory.
pub fn pids(directory: &Path) -> Vec<i32> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let said = files.filter(|path| path.extension().is_some_and(|extension| extension == "pid"));
    said.filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok()).collect()
}

/// Also not as one that nobody has waited for.
pub fn runs(pid: i32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let zombie = state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok() && !zombie
}

pub fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Starts the runner on programs that do nothing, kills it when they run, and waits for their end.
pub fn killed(runner: &mut Command, programs: &Path, count: usize) {
    let mut runner = start(runner);
    await_that("the programs run", || pids(programs).len() >= count);
    let started = pids(programs);
    assert!(started.iter().all(|pid| runs(*pid)), "{started:?}");
    // SIGKILL: it cleans nothing up.
    runner.kill().unwrap();
    runner.wait().unwrap();
    await_that("the programs end", || !started.iter().any(|pid| runs(*pid)));
}

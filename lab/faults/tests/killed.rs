//! Nothing survives a runner that is killed: no service of its own, no Kafka and PostgreSQL that it started.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use faults::failpoints::weave::Woven;
use harness::binaries::workspace;
use harness::{Error, Service};
use rustix::process::{Pid, test_kill_process};

const PATIENCE: Duration = Duration::from_secs(60);

/// A program that says its process id, and then does nothing.
fn idle(path: &Path) {
    std::fs::write(path, "#!/bin/sh\necho $$ > \"$0.$$.pid\"\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Of the programs of that directory.
fn pids(directory: &Path) -> Vec<i32> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let said = files.filter(|path| path.extension().is_some_and(|extension| extension == "pid"));
    said.filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok()).collect()
}

/// Also not as one that nobody has waited for.
fn runs(pid: i32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let zombie = state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok() && !zombie
}

fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Starts the runner on programs that do nothing, kills it when they run, and waits for their end.
fn killed(runner: &mut Command, programs: &Path, count: usize) {
    let mut runner = start(runner);
    await_that("the programs run", || pids(programs).len() >= count);
    let started = pids(programs);
    assert!(started.iter().all(|pid| runs(*pid)), "{started:?}");
    // SIGKILL: it cleans nothing up.
    runner.kill().unwrap();
    runner.wait().unwrap();
    await_that("the programs end", || !started.iter().any(|pid| runs(*pid)));
}

#[test]
fn a_killed_fault_run_leaves_no_service() {
    let directory = tempfile::tempdir().unwrap();
    let programs = directory.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    for service in Service::ALL {
        idle(&programs.join(service.name()));
    }
    let mut runner = Command::new(env!("CARGO_BIN_EXE_faults"));
    runner.arg("--binaries").arg(&programs).arg("--data").arg(directory.path().join("data"));
    killed(&mut runner, &programs, Service::ALL.len());
}

#[test]
fn killed_failpoints_leave_no_service() -> Result<(), Error> {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("preorder");
    idle(&program);
    let step = Woven::read()?.steps.remove(0).name;
    let mut runner = Command::new(env!("CARGO_BIN_EXE_failpoints"));
    runner.args([step.as_str(), "--actions", "kill", "--jobs", "1", "--preorder"]).arg(&program);
    runner.arg("--data").arg(directory.path().join("data"));
    killed(&mut runner, directory.path(), 1);
    Ok(())
}

#[test]
fn what_infra_started_ends_with_its_owner() {
    if std::env::var_os("TEST_DATABASE_URL").is_none() {
        eprintln!(
            "not run: infra/up with an owner that is killed (TEST_DATABASE_URL is not set; see lab/real)"
        );
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let mut owner = start(Command::new("sleep").arg("1000"));
    let script = |name: &str, owner: &str, part: &str| {
        let mut command = Command::new(workspace().join("infra").join(name));
        command.arg(part).env("INFRA_STATE", &state).env("INFRA_OWNER", owner);
        command.stdout(Stdio::null()).status().unwrap()
    };
    assert!(script("up", &owner.id().to_string(), "postgres").success());
    let file: PathBuf = state.join("postgres/data/postmaster.pid");
    let server = || std::fs::read_to_string(&file).ok()?.lines().next()?.trim().parse::<i32>().ok();
    let pid = server().unwrap();
    assert!(runs(pid));
    owner.kill().unwrap();
    owner.wait().unwrap();
    await_that("PostgreSQL ends with its owner", || !runs(pid));
    assert!(script("down", "", "--purge").success());
}

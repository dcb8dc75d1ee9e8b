//! Nothing survives a runner that is killed: no service of its own, no Kafka and PostgreSQL that it started.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use faults::failpoints::weave::Woven;
use harness::binaries::workspace;
use harness::killed::{await_that, idle, killed, runs, start};
use harness::{Error, Service};

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

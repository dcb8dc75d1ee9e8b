//! Nothing survives a `bench` that is killed.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use harness::Service;
use harness::killed::{idle, killed};

#[test]
fn a_killed_bench_leaves_no_service() {
    let directory = tempfile::tempdir().unwrap();
    let programs = directory.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    for service in Service::ALL {
        idle(&programs.join(service.name()));
    }
    let mut runner = Command::new(env!("CARGO_BIN_EXE_bench"));
    runner.args(["startup", "--quick", "--binaries"]).arg(&programs);
    runner.arg("--data").arg(directory.path().join("data"));
    killed(&mut runner, &programs, Service::ALL.len());
}

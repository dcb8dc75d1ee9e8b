//! Processes with a part that never ends: this very program, started anew, with the part's name in a variable.
#![allow(clippy::unwrap_used)]

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const PART: &str = "ENDING_TEST_PART";
/// Far more than is granted, for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for ever when it is dropped.
struct Stuck;

impl Drop for Stuck {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

fn work(part: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match part {
            "nothing" => {}
            // As a Kafka consumer is dropped.
            "a blocking thread" => drop(tokio::task::spawn_blocking(|| drop(Stuck))),
            "a worker thread" => drop(tokio::spawn(async { drop(Stuck) })),
            "the main thread" => {
                ending::within(ending::AFTER_THE_WORK, 3);
                drop(Stuck);
            }
            "the work itself" => {
                ending::within(Duration::from_secs(1), 4);
                std::future::pending::<()>().await;
            }
            unknown => panic!("{unknown}"),
        }
        // The runtime has to have started it.
        tokio::task::yield_now().await;
    });
    ending::of(runtime, 3)
}

/// Runs the part in a process of its own; its exit code.
fn code_of(part: &str) -> Option<i32> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(PART, part)
        .args(["--exact", "the_process", "--nocapture"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{part}: the process did not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Not a test but the process under test, where the variable is set.
#[test]
fn the_process() {
    let Ok(part) = std::env::var(PART) else { return };
    let code = work(&part);
    std::process::exit(if code == ExitCode::from(3) { 3 } else { 99 });
}

#[test]
fn what_ends_by_itself_ends_with_its_code() {
    assert_eq!(code_of("nothing"), Some(3));
}

#[test]
fn a_thread_that_never_ends_keeps_no_process_alive() {
    assert_eq!(code_of("a blocking thread"), Some(3));
    assert_eq!(code_of("a worker thread"), Some(3));
}

#[test]
fn a_drop_that_never_ends_keeps_no_process_alive() {
    assert_eq!(code_of("the main thread"), Some(3));
}

#[test]
fn work_that_never_ends_ends_with_the_code_that_was_set_for_it() {
    assert_eq!(code_of("the work itself"), Some(4));
}

//! What a process writes: its log, to standard error and nowhere else, panics included; and that it outlives its reader.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use telemetry::{LogFormat, LogLevel, LogSettings, Scope, TraceContext, TracingSettings};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("log-json") => log(LogFormat::Json),
        Some("log-pretty") => log(LogFormat::Pretty),
        Some("log-on") => log_on(),
        _ => {
            json_lines();
            pretty_lines();
            a_reader_that_goes_away_is_survived();
            println!("the log of a child process: JSON, pretty, without a reader: ok");
        }
    }
}

fn log(format: LogFormat) {
    let settings = LogSettings { format, level: "info".to_owned() };
    let _guard = telemetry::init("preorder", &settings, &TracingSettings::default()).unwrap();
    tracing::debug!(target: "payment", "hidden");
    tracing_log::log::warn!(target: "rdkafka", "from the log facade");
    let control = telemetry::log_control().unwrap();
    control.set("payment", Some(LogLevel::Debug)).unwrap();
    let scope = Scope::default()
        .with_application("payment")
        .with_trace(TraceContext::parse(TRACEPARENT).unwrap())
        .with_request_id("r-1");
    let panicked = std::thread::spawn(|| {
        scope.run_blocking(|| {
            tracing::debug!(target: "payment", "shown");
            panic!("two\nlines")
        })
    })
    .join();
    assert!(panicked.is_err());
}

fn log_on() {
    let _guard = telemetry::init("payment", &LogSettings::default(), &TracingSettings::default()).unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
    for line in 0..1000 {
        tracing::info!(line, "still here");
    }
    println!("done");
}

fn child(what: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(what).env_remove("RUST_BACKTRACE");
    command
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn json_lines() {
    let lines: Vec<Value> = lines(&child("log-json").output().unwrap())
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["from the log facade", "log level changed", "shown", "two\nlines"]);
    assert_eq!(lines[0]["logger"], "rdkafka");
    assert_eq!(lines[0]["application"], "preorder");
    let panic = &lines[3];
    assert_eq!(panic["level"], "ERROR");
    assert_eq!(panic["logger"], "panic");
    assert_eq!(panic["application"], "payment");
    assert_eq!(panic["trace_id"], TRACEPARENT[3..35]);
    assert_eq!(panic["span_id"], TRACEPARENT[36..52]);
    assert_eq!(panic["request_id"], "r-1");
    let location = panic["fields"]["location"].as_str().unwrap();
    assert!(location.contains("stderr.rs:"), "{location}");
}

fn pretty_lines() {
    let lines = lines(&child("log-pretty").output().unwrap());
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].ends_with("  WARN [preorder] rdkafka: from the log facade"), "{}", lines[0]);
    let shown = format!(" DEBUG [payment {} r-1] payment: shown", &TRACEPARENT[3..35]);
    assert!(lines[2].ends_with(&shown), "{}", lines[2]);
    assert!(lines[3].contains(r" panic: two\nlines location="), "{}", lines[3]);
}

fn a_reader_that_goes_away_is_survived() {
    let mut child =
        child("log-on").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    // Only now does it begin to write.
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"done\n");
}

//! What prevents a start is said in one line, and the exit says it too.

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use stories::binaries;
use stories::setup::Setup;

const ALL: [&str; 6] = ["preorder", "prereservation", "payment", "receipt", "myreservation", "gateway"];

pub(crate) async fn one_line_and_an_exit_code(_: Setup) {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for name in ALL {
        let prefix = if name == "preorder" { "PAYMENT_" } else { "" };
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a-file");
        std::fs::write(&file, "").unwrap();
        let unusable = format!("sqlite://{}/below/x.db", file.display());
        let run = async |variables: &[(String, &str)]| run(name, directory.path(), variables).await;
        let variable = |name: &str| format!("{prefix}{name}");
        let services_elsewhere: Vec<(String, &str)> =
            ["PRERESERVATION", "RECEIPT", "MYRESERVATION", "GATEWAY"]
                .into_iter()
                .filter(|_| name == "preorder")
                .map(|service| (format!("{service}_SERVER_PORT"), "0"))
                .collect();
        let with = |more: (String, &'static str)| [services_elsewhere.clone(), vec![more]].concat();

        let told = refused(&run(&with((variable("SERVER_PORT"), "eighty"))).await, name);
        assert!(told.contains("server.port") && told.contains("SERVER_PORT"), "{told}");
        let told = refused(&run(&with((variable("SERVER_PORT"), "70000"))).await, name);
        assert!(told.contains("server.port") || told.contains("SERVER_PORT"), "{told}");
        let port: &'static str = port.clone().leak();
        let told = refused(&run(&with((variable("SERVER_PORT"), port))).await, name);
        assert!(told.contains(port), "the port that is taken: {told}");
        if name != "gateway" {
            let unusable: &'static str = unusable.leak();
            let told = refused(&run(&with((variable("DATABASE_URL"), unusable))).await, name);
            assert!(told.contains("below"), "the place that cannot be written: {told}");
            let told = refused(&run(&with((variable("DATABASE_URL"), "mysql://localhost/x"))).await, name);
            assert!(told.contains("database.url") || told.contains("DATABASE_URL"), "{told}");
        }
        std::fs::create_dir(directory.path().join("config")).unwrap();
        let table = if name == "preorder" { "payment.server" } else { "server" };
        let odd = format!("[{table}]\nprot = 1\n");
        std::fs::write(directory.path().join("config/application-odd.toml"), odd).unwrap();
        let told = refused(&run(&with(("PROFILE".to_owned(), "odd"))).await, name);
        assert!(told.contains("prot"), "the key that is none: {told}");
    }
}

pub(crate) async fn help_says_everything(_: Setup) {
    for name in ALL {
        for argument in ["--help", "--version"] {
            let output = Command::new(binaries::path(name)).arg(argument).output().unwrap();
            assert!(output.status.success(), "{name} {argument}");
            assert!(String::from_utf8_lossy(&output.stdout).contains(name), "{name} {argument}");
        }
        if name != "preorder" {
            let output = Command::new(binaries::path(name)).arg("--print-settings").output().unwrap();
            assert!(output.status.success(), "{name} --print-settings");
            for key in ["[server]", "port", "[management]", "[tracing]"] {
                assert!(String::from_utf8_lossy(&output.stdout).contains(key), "{name} {key}");
            }
        }
        let output = Command::new(binaries::path(name)).arg("--nonsense").output().unwrap();
        assert!(!output.status.success(), "{name}");
    }
    let help = Command::new(binaries::path("preorder")).arg("--help").output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for word in ["events", "--data", "--profile", "dead-letters"] {
        assert!(help.contains(word), "{word} is not in:\n{help}");
    }
}

async fn run(name: &str, directory: &std::path::Path, variables: &[(String, &str)]) -> Output {
    let mut command = tokio::process::Command::new(binaries::path(name));
    command
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .current_dir(directory)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(30), command.output()).await;
    output.unwrap_or_else(|_| panic!("{name} started with {variables:?}, which it should refuse")).unwrap()
}

/// The one line of a refused start.
fn refused(output: &Output, name: &str) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{name} was to fail");
    assert!(output.status.code().is_some(), "{name} ended by a signal");
    let mut lines = said.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    assert!(line.starts_with(&format!("{name}: ")), "{said}");
    assert_eq!(lines.next(), None, "one line: {said}");
    line
}

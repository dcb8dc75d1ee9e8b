//! `account create-admin` and `account rotate-keys`, as operators run them, on SQLite.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_account"));
    let url = |name: &str| format!("sqlite://{}", directory.join(name).display());
    command.env("DATABASE_URL", url("account.db")).env("EVENT_LOG_URL", url("events.db"));
    command.env("PASSWORDS_MEMORY_KIB", "64").env_remove("ADMIN_PASSWORD").current_dir(directory);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that needs no password may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> (bool, String) {
    let text = if output.status.success() { &output.stdout } else { &output.stderr };
    (output.status.success(), String::from_utf8_lossy(text).trim().to_owned())
}

#[test]
fn an_administrator_is_made_once_and_his_password_comes_from_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let create = |email: &str, input: &str| said(&run(directory.path(), &["create-admin", email], input));
    let password = "the first of all";
    assert_eq!(
        create("Root@shop.example", &format!("{password}\r\nmore\n")),
        (true, "account: user 1 is an administrator".to_owned())
    );
    let (done, again) = create("root@shop.example", "another password\n");
    assert!(done && again.contains("already"), "{again}");
    for (email, input, wrong) in [
        ("other@shop.example", "short\n", "the password must have 8 to 128 characters"),
        ("other@shop.example", "", "the password must have 8 to 128 characters"),
        ("other@shop.example", "password\n", "the password is one of the most common passwords"),
        ("other", "a long password\n", "EMAIL: must be an e-mail address"),
    ] {
        let (done, line) = create(email, input);
        assert!(!done && line.starts_with(&format!("account: {wrong}")) && !line.contains('\n'), "{line}");
    }
    // An argument can be read by everybody on the machine: there is none for a password.
    assert!(!run(directory.path(), &["create-admin", "x@shop.example", password], "").status.success());
}

#[test]
fn keys_are_rotated_beside_the_service() {
    let directory = tempfile::tempdir().unwrap();
    let rotate = || said(&run(directory.path(), &["rotate-keys"], ""));
    let ((first, next), (second, waits)) = (rotate(), rotate());
    assert!(first && next.contains("is published, and signs in "), "{next}");
    assert!(second && waits.contains("was published before"), "{waits}");
    assert_eq!(next.split(' ').nth(2), waits.split(' ').nth(2), "it is the same key");
}

//! The programs under test, built by cargo: in the profile and the target directory of the tests, once a run. With
//! `E2E_BINARIES` set to a directory, those that lie there: a release, say.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Where a program lies, after cargo made sure that it is up to date.
///
/// # Panics
/// When it does not compile: no story can be told then.
pub fn path(name: &str) -> &'static Path {
    static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    BUILT.get_or_init(find_or_build).get(name).unwrap_or_else(|| panic!("there is no program {name}"))
}

fn find_or_build() -> HashMap<String, PathBuf> {
    match std::env::var_os("E2E_BINARIES").filter(|directory| !directory.is_empty()) {
        Some(directory) => {
            let entries = std::fs::read_dir(&directory).expect("E2E_BINARIES is a directory");
            let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            paths.filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path))).collect()
        }
        None => build(),
    }
}

fn build() -> HashMap<String, PathBuf> {
    // <target>/<profile>/deps/<this test>
    let this = std::env::current_exe().expect("a program knows where it lies");
    let directory = this.ancestors().nth(2).expect("a test lies in <target>/<profile>/deps");
    let target = directory.parent().expect("a profile's directory lies in the target directory");
    let profile = match directory.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut command = Command::new(env!("CARGO"));
    command
        // The whole workspace: with the features, and so the artefacts, that `cargo test --workspace` has already.
        .args([
            "build",
            "--workspace",
            "--bins",
            "--message-format=json-render-diagnostics",
            "--profile",
            profile,
        ])
        .arg("--target-dir")
        .arg(target)
        .current_dir(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .ancestors()
                .nth(2)
                .expect("the crate lies in the workspace"),
        )
        .stderr(Stdio::inherit());
    // What cargo told this test about its package is not true of others.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "the programs under test do not compile");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| {
            let executable = message["executable"].as_str()?;
            Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(executable)))
        })
        .collect()
}

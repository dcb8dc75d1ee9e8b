//! Tells `/actuator/info` which build this is: from the environment when it is given (container builds have no `.git`), else from git.
//!
//! Only a release build asks git: it would make every commit recompile the services of a developer.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let profile = env::var("PROFILE").unwrap_or_default();
    pass("BUILD_PROFILE", Some(profile.clone()));
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    pass("BUILD_RUSTC", Some(output(&rustc, &["--version"]).unwrap_or_else(|| "unknown".to_owned())));

    let release = profile == "release";
    if release && let Some(directory) = output("git", &["rev-parse", "--absolute-git-dir"]) {
        println!("cargo:rerun-if-changed={directory}/HEAD");
        println!("cargo:rerun-if-changed={directory}/logs/HEAD");
    }
    for (name, arguments) in [
        ("BUILD_GIT_COMMIT", &["rev-parse", "HEAD"][..]),
        ("BUILD_GIT_BRANCH", &["rev-parse", "--abbrev-ref", "HEAD"][..]),
        ("BUILD_GIT_TIME", &["log", "-1", "--format=%cI"][..]),
    ] {
        println!("cargo:rerun-if-env-changed={name}");
        let given = env::var(name).ok().filter(|value| !value.is_empty());
        let found = || if release { output("git", arguments) } else { None };
        pass(name, given.or_else(found));
    }
    println!("cargo:rerun-if-env-changed=BUILD_TIME");
    pass("BUILD_TIME", env::var("BUILD_TIME").ok().filter(|value| !value.is_empty()));
}

fn pass(name: &str, value: Option<String>) {
    if let Some(value) = value {
        println!("cargo:rustc-env={name}={value}");
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

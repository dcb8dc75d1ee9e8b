//! The services' binaries: built by cargo when they are not up to date, with the profile that this program has.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;
use crate::service::Service;

#[derive(Debug, Clone)]
pub struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// Those beside this program; built first, unless `build` is off.
    ///
    /// # Errors
    /// cargo failed.
    pub fn beside_this(build: bool) -> Result<Self, Error> {
        let this = std::env::current_exe().map_err(Error::io("finding this program"))?;
        let directory = this.ancestors().nth(1).unwrap_or(Path::new(".")).to_owned();
        // Tests lie one directory deeper.
        let directory = match directory.file_name() {
            Some(name) if name == "deps" => directory.parent().unwrap_or(&directory).to_owned(),
            _ => directory,
        };
        if build {
            cargo_build(&directory)?;
        }
        Ok(Self { directory })
    }

    /// Those in a directory, as they are.
    ///
    /// # Errors
    /// The directory is not there.
    pub fn in_directory(directory: &Path) -> Result<Self, Error> {
        let found = directory.canonicalize();
        Ok(Self { directory: found.map_err(Error::io(format!("finding {}", directory.display())))? })
    }

    pub fn of(&self, service: Service) -> PathBuf {
        self.named(service.name())
    }

    pub fn named(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }
}

pub fn workspace() -> PathBuf {
    // The crate's directory at build time; the tool is run from its own checkout.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// In the profile and the target directory that this program was built in.
fn cargo_build(directory: &Path) -> Result<(), Error> {
    let profile = match directory.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace: with the features, and so the artefacts, that `cargo test --workspace` has already.
    command.args(["build", "--quiet", "--workspace", "--bins", "--profile", profile]);
    if let Some(target) = directory.parent() {
        command.arg("--target-dir").arg(target);
    }
    command.current_dir(workspace());
    // What cargo told this program about its package is not true of others.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    eprintln!("building the programs, if they changed");
    let status = command.status().map_err(Error::io("starting cargo"))?;
    if status.success() { Ok(()) } else { Err(Error::unexpected("cargo build failed")) }
}

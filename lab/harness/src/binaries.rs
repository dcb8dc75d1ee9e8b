//! The services' binaries: built by cargo when they are not up to date, with the profile that this program has.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;
use crate::plan::Service;

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
        let directory = this.ancestors().nth(2).unwrap_or(Path::new(".")).to_owned();
        // Tests lie one directory deeper.
        let directory = match directory.file_name() {
            Some(name) if name == "deps" => directory.parent().unwrap_or(&directory).to_owned(),
            _ => directory,
        };
        if build {
            cargo_build(directory.ends_with("release"))?;
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
        self.directory.join(service.name())
    }
}

pub fn workspace() -> PathBuf {
    // The crate's directory at build time; the tool is run from its own checkout.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

fn cargo_build(release: bool) -> Result<(), Error> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg("build").arg("--quiet").current_dir(workspace());
    if release {
        command.arg("--release");
    }
    for service in Service::ALL {
        command.args(["-p", service.name()]);
    }
    eprintln!("building the services, if they changed");
    let status = command.status().map_err(Error::io("starting cargo"))?;
    if status.success() { Ok(()) } else { Err(Error::unexpected("cargo build failed")) }
}

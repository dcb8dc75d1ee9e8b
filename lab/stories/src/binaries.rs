//! The programs under test, built by cargo once a run. With `E2E_BINARIES` set to a directory, those that lie there: a
//! release, say.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use harness::binaries::Binaries;

/// Where a program lies, after cargo made sure that it is up to date.
///
/// # Panics
/// When it does not compile: no story can be told then.
pub fn path(name: &str) -> PathBuf {
    static BUILT: OnceLock<Binaries> = OnceLock::new();
    BUILT.get_or_init(find_or_build).named(name)
}

fn find_or_build() -> Binaries {
    let given = std::env::var_os("E2E_BINARIES").filter(|directory| !directory.is_empty());
    let found = match given {
        Some(directory) => Binaries::in_directory(Path::new(&directory)),
        None => Binaries::beside_this(true),
    };
    found.unwrap_or_else(|error| panic!("the programs under test: {error}"))
}

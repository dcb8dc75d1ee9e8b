//! Keeps other processes from reading the memory of a process that sees secrets, such as full card numbers.
//!
//! What is freed is wiped by the allocator that these programs choose in their `main.rs`.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use serde::Deserialize;

/// The section `[memory]`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemorySettings {
    /// For looking into a crash, with made-up cards: a core dump holds what customers were sending at that moment.
    pub core_dumps: bool,
}

impl MemorySettings {
    /// No core dumps, and no debugger of the same user, unless they are allowed. Cannot be taken back.
    ///
    /// # Errors
    /// The system refuses; then the process must not go on.
    pub fn apply(self) -> io::Result<()> {
        if self.core_dumps {
            tracing::warn!("memory.core_dumps: a core dump of this process may hold full card numbers");
            return Ok(());
        }
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        let failed = |error| io::Error::other(format!("memory.core_dumps: cannot be switched off: {error}"));
        setrlimit(Resource::Core, none).map_err(failed)?;
        // The limit says nothing to a system that pipes dumps to a program.
        #[cfg(target_os = "linux")]
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed)?;
        Ok(())
    }
}

//! A limit on the memory of one process and its page cache, as a container has it: cgroup v2, or the memory controller of v1.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

const ROOT: &str = "/sys/fs/cgroup";

/// Removed when dropped; its processes have to be gone by then.
#[derive(Debug)]
pub struct Cgroup {
    directory: PathBuf,
    /// Which file says how often a process was killed for memory.
    events: &'static str,
    peak: &'static str,
}

impl Cgroup {
    /// # Errors
    /// This machine has none, or does not let us make one.
    pub fn new(name: &str, limit: u64) -> Result<Self, Error> {
        let root = Path::new(ROOT);
        let second = root.join("cgroup.controllers").exists();
        let (parent, file, events, peak) = if second {
            // Already so where systemd runs.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
            (root.to_owned(), "memory.max", "memory.events", "memory.peak")
        } else {
            let files = ("memory.limit_in_bytes", "memory.oom_control", "memory.max_usage_in_bytes");
            (root.join("memory"), files.0, files.1, files.2)
        };
        let directory = parent.join(format!("preorder-{}-{name}", std::process::id()));
        let none = |error: std::io::Error| {
            Error::not_available(format!("a memory cgroup ({}): {error}; it needs root", directory.display()))
        };
        if !parent.join("cgroup.procs").exists() {
            return Err(Error::not_available(format!("a memory cgroup: {} is none", parent.display())));
        }
        fs::create_dir(&directory).map_err(none)?;
        let cgroup = Self { directory: directory.clone(), events, peak };
        fs::write(directory.join(file), limit.to_string()).map_err(none)?;
        Ok(cgroup)
    }

    /// Who writes its process id there lives under the limit from then on.
    pub fn door(&self) -> PathBuf {
        self.directory.join("cgroup.procs")
    }

    /// How often the kernel killed for the limit.
    pub fn kills(&self) -> u64 {
        let text = fs::read_to_string(self.directory.join(self.events)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
    }

    /// The most that was used at once, where the kernel says so.
    pub fn peak_bytes(&self) -> Option<u64> {
        fs::read_to_string(self.directory.join(self.peak)).ok()?.trim().parse().ok()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.directory);
    }
}

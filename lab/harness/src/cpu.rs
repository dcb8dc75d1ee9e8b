//! What processes cost: CPU time and resident memory from `/proc`, whoever started them.
//!
//! The kernel gives out a process's CPU time in steps of 10 ms, so a figure needs a run of some hundred of them.

use std::collections::BTreeMap;
use std::time::Duration;

use procfs::process::{Process, all_processes};

/// Processes that are counted together under one name.
#[derive(Debug, Clone)]
pub struct Group {
    pub name: String,
    pub pids: Vec<u32>,
    /// Their children too, also those that have ended since (PostgreSQL: one backend a connection).
    pub with_children: bool,
}

impl Group {
    pub fn one(name: impl Into<String>, pid: u32) -> Self {
        Self { name: name.into(), pids: vec![pid], with_children: false }
    }

    pub fn tree(name: impl Into<String>, pid: u32) -> Self {
        Self { name: name.into(), pids: vec![pid], with_children: true }
    }
}

/// CPU time of each group since its processes began.
#[derive(Debug, Clone, Default)]
pub struct Sample(BTreeMap<String, Duration>);

impl Sample {
    pub fn take(groups: &[Group]) -> Self {
        let ticks = procfs::ticks_per_second();
        let mut sample = BTreeMap::new();
        for group in groups {
            let used: u64 = group.pids.iter().map(|pid| cpu_ticks(*pid, group.with_children)).sum();
            *sample.entry(group.name.clone()).or_default() +=
                Duration::from_secs_f64(used as f64 / ticks as f64);
        }
        Self(sample)
    }

    /// What was used between the other sample and this one.
    pub fn since(&self, earlier: &Self) -> Usage {
        let used =
            |name: &str, now: &Duration| now.saturating_sub(earlier.0.get(name).copied().unwrap_or_default());
        Usage(self.0.iter().map(|(name, now)| (name.clone(), used(name, now))).collect())
    }
}

#[derive(Debug, Clone, Default)]
pub struct Usage(BTreeMap<String, Duration>);

impl Usage {
    pub fn of(&self, name: &str) -> Duration {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub fn total(&self) -> Duration {
        self.0.values().sum()
    }

    /// "gateway 31, payment 80" in microseconds each of `n`.
    pub fn per(&self, n: u64) -> String {
        let share = |used: &Duration| used.as_secs_f64() * 1e6 / n.max(1) as f64;
        let parts = self.0.iter().map(|(name, used)| format!("{name} {:.0}", share(used)));
        format!("{} us", parts.collect::<Vec<_>>().join(", "))
    }
}

/// This process: the load generator, and what it runs on its threads.
pub fn generator() -> Group {
    Group::one("generator", std::process::id())
}

/// Resident memory of the process in bytes, shared pages of libraries included; 0 once it is gone.
pub fn resident_bytes(pid: u32) -> u64 {
    stat(pid).map_or(0, |stat| stat.rss * procfs::page_size())
}

fn cpu_ticks(pid: u32, with_children: bool) -> u64 {
    let Some(stat) = stat(pid) else { return 0 };
    let own = stat.utime + stat.stime;
    if !with_children {
        return own;
    }
    // What its children used until they ended, and what those that run have used.
    let ended = stat.cutime.max(0) + stat.cstime.max(0);
    let running: u64 = children(pid).into_iter().map(|child| cpu_ticks(child, true)).sum();
    own + ended as u64 + running
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(processes) = all_processes() else { return Vec::new() };
    processes
        .filter_map(|process| process.ok()?.stat().ok())
        .filter(|stat| stat.ppid as u32 == pid)
        .map(|stat| stat.pid as u32)
        .collect()
}

fn stat(pid: u32) -> Option<procfs::process::Stat> {
    Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn work_is_counted_for_who_did_it() {
        let groups = [generator()];
        let before = Sample::take(&groups);
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let mut n = 0_u64;
        while Sample::take(&groups).since(&before).of("generator") < Duration::from_millis(30) {
            assert!(std::time::Instant::now() < deadline, "work is not counted");
            for _ in 0..100_000 {
                n = std::hint::black_box(n.wrapping_mul(31).wrapping_add(7));
            }
        }
        assert!(resident_bytes(std::process::id()) > 100_000);
    }

    #[test]
    fn a_child_that_has_ended_stays_counted() {
        let group = [Group::tree("tree", std::process::id())];
        let before = Sample::take(&group);
        let status = std::process::Command::new("sh")
            .args(["-c", "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done"])
            .status()
            .unwrap();
        assert!(status.success());
        assert!(Sample::take(&group).since(&before).total() > Duration::ZERO);
    }
}

//! What the process takes from its machine, read when somebody asks. Prometheus' standard names, and Micrometer's for
//! whoever brings a dashboard along.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Scrapes closer together than this share a figure for the CPU: the clock of the kernel ticks every 10 ms.
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);

pub(crate) struct Process {
    processors: f64,
    /// The age of the process when the clock below was started.
    age: f64,
    clock: Instant,
    window: Mutex<CpuWindow>,
}

/// CPU time at the last scrape, and the usage that was found then.
struct CpuWindow {
    since: Instant,
    cpu_seconds: f64,
    usage: f64,
}

impl Process {
    pub(crate) fn start() -> Process {
        let resources = metrics_process::collector::collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let clock = Instant::now();
        Process {
            processors: std::thread::available_parallelism().map_or(1, usize::from) as f64,
            age: resources.start_time_seconds.map_or(0.0, |started| (now - started as f64).max(0.0)),
            clock,
            window: Mutex::new(CpuWindow {
                since: clock,
                cpu_seconds: resources.cpu_seconds_total.unwrap_or_default(),
                usage: 0.0,
            }),
        }
    }

    /// Appends the process's metrics in Prometheus' text format.
    pub(crate) fn render(&self, text: &mut String) {
        let resources = metrics_process::collector::collect();
        let application = crate::scope::service();
        let mut line = |name: &str, kind: &str, help: &str, value: Option<f64>| {
            let Some(value) = value else { return };
            // Writing to a string cannot fail.
            let _ = match application {
                Some(application) => writeln!(
                    text,
                    "# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{{application=\"{application}\"}} {value}\n"
                ),
                None => writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"),
            };
        };
        let whole = |value: Option<u64>| value.map(|value| value as f64);
        let usage = resources.cpu_seconds_total.map(|cpu| self.usage(cpu));

        line(
            "process_cpu_usage",
            "gauge",
            "Recent CPU use of the process, as a share of all processors (0 to 1).",
            usage,
        );
        line(
            "process_cpu_seconds_total",
            "counter",
            "User and system CPU time spent, in seconds.",
            resources.cpu_seconds_total,
        );
        line("system_cpu_count", "gauge", "Processors available to the process.", Some(self.processors));
        line(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory in bytes.",
            whole(resources.resident_memory_bytes),
        );
        line(
            "process_virtual_memory_bytes",
            "gauge",
            "Virtual memory in bytes.",
            whole(resources.virtual_memory_bytes),
        );
        line("process_open_fds", "gauge", "Open file descriptors.", whole(resources.open_fds));
        line("process_max_fds", "gauge", "Most file descriptors that may be open.", whole(resources.max_fds));
        line(
            "process_files_open_files",
            "gauge",
            "Open file descriptors, by Micrometer's name.",
            whole(resources.open_fds),
        );
        line(
            "process_files_max_files",
            "gauge",
            "Most file descriptors that may be open, by Micrometer's name.",
            whole(resources.max_fds),
        );
        line("process_threads", "gauge", "Threads of the operating system.", whole(resources.threads));
        line(
            "process_start_time_seconds",
            "gauge",
            "Start of the process, in seconds since 1970.",
            whole(resources.start_time_seconds),
        );
        line(
            "process_uptime_seconds",
            "gauge",
            "Age of the process in seconds.",
            Some(self.age + self.clock.elapsed().as_secs_f64()),
        );
    }

    fn usage(&self, cpu_seconds: f64) -> f64 {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = window.since.elapsed();
        if elapsed >= SHORTEST_WINDOW {
            let share = (cpu_seconds - window.cpu_seconds) / (elapsed.as_secs_f64() * self.processors);
            *window = CpuWindow { since: Instant::now(), cpu_seconds, usage: share.clamp(0.0, 1.0) };
        }
        window.usage
    }
}

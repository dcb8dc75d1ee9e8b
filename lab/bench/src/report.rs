//! The figures: as JSON for machines, as a table for people.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use harness::Error;
use harness::ground::Against;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    Below(f64),
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub fn met(self, value: f64) -> bool {
        match self {
            Self::Below(limit) => value < limit,
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(limit) => write!(f, "< {limit}"),
            Self::AtMost(limit) => write!(f, "<= {limit}"),
            Self::AtLeast(limit) => write!(f, ">= {limit}"),
        }
    }
}

impl Serialize for Goal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One measured number.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub name: String,
    /// Absent: not available, or it failed; the note says why.
    pub value: Option<f64>,
    pub unit: &'static str,
    pub goal: Option<Goal>,
    /// Absent where there is no goal or no value.
    pub met: Option<bool>,
    /// How it came about: parts, spread, conditions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// It should have been measured and was not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let value = value.is_finite().then_some(value);
        Self { name: name.into(), value, unit, goal: None, met: None, note: String::new(), failed: false }
    }

    /// What takes the place of figures that could not be measured.
    pub fn missing(name: impl Into<String>, error: &Error) -> Self {
        let mut figure = Self::new(name, f64::NAN, "");
        figure.note = error.to_string();
        figure.failed = !matches!(error, Error::NotAvailable(_));
        figure
    }

    #[must_use]
    pub fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self.met = self.value.map(|value| goal.met(value));
        self
    }

    #[must_use]
    pub fn below(self, limit: f64) -> Self {
        self.goal(Goal::Below(limit))
    }

    #[must_use]
    pub fn at_most(self, limit: f64) -> Self {
        self.goal(Goal::AtMost(limit))
    }

    #[must_use]
    pub fn at_least(self, limit: f64) -> Self {
        self.goal(Goal::AtLeast(limit))
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn shown(&self) -> String {
        match self.value {
            None if self.failed => "failed".to_owned(),
            None => "not available".to_owned(),
            Some(value) if value == 0.0 || value.abs() >= 100.0 => format!("{value:.0} {}", self.unit),
            Some(value) if value.abs() >= 10.0 => format!("{value:.1} {}", self.unit),
            Some(value) => format!("{value:.3} {}", self.unit),
        }
    }
}

/// Where it was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub cpus: usize,
    pub cpu: String,
    pub kernel: String,
    pub memory_mb: u64,
}

impl Machine {
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':'))
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kilobytes: u64 = memory.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_default();
        Self {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_mb: kilobytes / 1024,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub command: String,
    pub against: &'static str,
    /// Figures of a debug build mean nothing.
    pub build: &'static str,
    pub machine: Machine,
    pub figures: Vec<Figure>,
}

impl Report {
    pub fn new(against: Against) -> Self {
        Self {
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            against: against.name(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            machine: Machine::this(),
            figures: Vec::new(),
        }
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let json = serde_json::to_string_pretty(self)
            .map_err(|e| Error::unexpected(format!("writing the report: {e}")))?;
        std::fs::write(path, json + "\n").map_err(Error::io(format!("writing {}", path.display())))
    }

    pub fn failed(&self) -> bool {
        self.figures.iter().any(|figure| figure.failed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cpus, cpu, kernel, memory_mb } = &self.machine;
        writeln!(
            f,
            "{} build, against {}; {cpus} x {cpu}, {memory_mb} MB, Linux {kernel}",
            self.build, self.against
        )?;
        let width = |column: &dyn Fn(&Figure) -> usize| self.figures.iter().map(column).max().unwrap_or(0);
        let names = width(&|figure| figure.name.len());
        let values = width(&|figure| figure.shown().len());
        let goals = width(&|figure| figure.goal.map_or(0, |goal| goal.to_string().len()));
        for figure in &self.figures {
            let goal = figure.goal.map(|goal| goal.to_string()).unwrap_or_default();
            let met = match figure.met {
                Some(true) => "met   ",
                Some(false) => "missed",
                None => "      ",
            };
            let line = format!(
                "{:names$}  {:>values$}  {goal:goals$}  {met}  {}",
                figure.name,
                figure.shown(),
                figure.note
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_figure_has_the_fields_that_readers_look_for() {
        let json = serde_json::to_value(Figure::new("cpu", 0.3, "ms").below(0.4)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"name": "cpu", "value": 0.3, "unit": "ms", "goal": "< 0.4", "met": true})
        );
    }

    #[test]
    fn what_is_missing_is_shown_and_has_no_verdict() {
        let figure = Figure::missing("siege", &Error::not_available("siege is not installed"));
        assert_eq!((figure.value, figure.met, figure.failed), (None, None, false));
        let mut report = Report::new(Against::Embedded);
        report.figures.push(figure);
        assert!(report.to_string().contains("siege  not available"));
        assert!(!report.failed());
    }

    #[test]
    fn goals_are_judged_at_their_limits() {
        assert!(!Goal::Below(1.0).met(1.0));
        assert!(Goal::AtMost(1.0).met(1.0));
        assert!(Goal::AtLeast(1.0).met(1.0));
    }
}

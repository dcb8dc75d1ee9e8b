//! On what a story runs.

use std::fmt;

/// A way to run the system. The stories are the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Setup {
    /// `preorder`: all six services in one process, SQLite and the local log.
    One,
    /// Six processes, SQLite and the local log.
    Five,
    /// Six processes, PostgreSQL and Apache Kafka.
    Real,
    /// Six processes and the local log; prereservation and receipt on PostgreSQL, payment and myreservation on SQLite.
    Mixed,
}

impl Setup {
    pub const ALL: [Self; 4] = [Self::One, Self::Five, Self::Real, Self::Mixed];

    /// Those that `E2E_SETUPS` names (`one,five,real,mixed`); without it the two that need no server.
    ///
    /// # Panics
    /// On a name that is none, and where a set-up was asked for whose servers are not there: a run that quietly covers
    /// less than it was told to is worse than one that fails.
    pub fn chosen() -> Vec<Self> {
        let chosen: Vec<Self> = match std::env::var("E2E_SETUPS") {
            Ok(names) if !names.trim().is_empty() => {
                names.split(',').map(|name| Self::named(name.trim())).collect()
            }
            _ => vec![Self::One, Self::Five],
        };
        for setup in &chosen {
            setup.check_servers();
        }
        chosen
    }

    fn named(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|setup| setup.name() == name)
            .unwrap_or_else(|| panic!("E2E_SETUPS: {name:?} is none of one, five, real, mixed"))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Five => "five",
            Self::Real => "real",
            Self::Mixed => "mixed",
        }
    }

    pub fn describe(self) -> &'static str {
        match self {
            Self::One => "one process, SQLite, local log",
            Self::Five => "six processes, SQLite, local log",
            Self::Real => "six processes, PostgreSQL, Kafka",
            Self::Mixed => "six processes, PostgreSQL and SQLite, local log",
        }
    }

    pub fn has_kafka(self) -> bool {
        self == Self::Real
    }

    pub fn has_postgres(self) -> bool {
        matches!(self, Self::Real | Self::Mixed)
    }

    /// Whether one service can be stopped while the others run.
    pub fn has_processes(self) -> bool {
        self != Self::One
    }

    fn check_servers(self) {
        if self.has_kafka() {
            assert!(
                kafka_brokers().is_some(),
                "{}: KAFKA_BROKERS is not set; eval \"$(infra/up)\"",
                self.name()
            );
        }
        if self.has_postgres() {
            assert!(
                is_set("TEST_DATABASE_URL"),
                "{}: TEST_DATABASE_URL is not set; eval \"$(infra/up)\"",
                self.name()
            );
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| !value.is_empty())
}

/// `host:port,host:port`, as `infra/up` says.
pub fn kafka_brokers() -> Option<String> {
    ["TEST_KAFKA_BROKERS", "KAFKA_BROKERS"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

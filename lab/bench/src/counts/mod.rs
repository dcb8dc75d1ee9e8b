//! What a reservation makes its databases do: numbers that are the same on every machine.

pub mod limits;
pub mod postgres;
pub mod sqlite;

use std::collections::BTreeMap;

/// Counters by name, since some beginning.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters(pub BTreeMap<String, f64>);

impl Counters {
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |name: &str| earlier.0.get(name).copied().unwrap_or_default();
        Self(self.0.iter().map(|(name, now)| (name.clone(), now - before(name))).collect())
    }

    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|(name, n)| (name.clone(), n * factor)).collect())
    }

    /// Without what would have happened anyway: leases are renewed, outboxes are looked at.
    #[must_use]
    pub fn without(&self, idle: &Self) -> Self {
        let of = |name: &str| idle.0.get(name).copied().unwrap_or_default();
        Self(self.0.iter().map(|(name, n)| (name.clone(), (n - of(name)).max(0.0))).collect())
    }
}

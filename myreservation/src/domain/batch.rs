use std::collections::BTreeMap;

use super::changes::Changes;
use super::step::Step;
use super::telling::Telling;

/// Many facts, folded per reservation: what is written is one row a reservation, however many facts told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub changes: BTreeMap<i64, Changes>,
    pub steps: Vec<Step>,
}

impl Batch {
    pub fn add(&mut self, step: Step, telling: Telling) {
        self.changes.entry(step.reservation_id).or_default().tell(telling);
        self.steps.push(step);
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The versions of the reservations that this batch tells of.
    pub fn reservation_versions(&self) -> impl Iterator<Item = (i64, i64)> {
        self.changes
            .iter()
            .filter_map(|(id, changes)| changes.reservation.as_ref().map(|(facet, _)| (*id, facet.version)))
    }
}

use std::collections::BTreeMap;

use events::Event;

use super::{Changes, Step};

/// Many facts, folded per reservation: what is written is one row a reservation, however many facts told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub changes: BTreeMap<i64, Changes>,
    pub steps: Vec<Step>,
}

impl Batch {
    pub fn add(&mut self, event: Event, at_ms: i64, trace_id: Option<String>, attempts: Option<i64>) {
        let step = Step::of(&event, at_ms, trace_id, attempts);
        self.changes.entry(step.reservation_id).or_default().tell(event);
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

use std::collections::BTreeMap;

use events::Event;

use super::{Changes, Step, facets::Inadmissible};

/// Many facts, folded per reservation: what is written is one row a reservation, however many facts told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub changes: BTreeMap<i64, Changes>,
    pub steps: Vec<Step>,
}

impl Batch {
    /// # Errors
    /// The fact makes no sense; nothing has changed.
    pub fn add(
        &mut self,
        event: Event,
        at_ms: i64,
        trace_id: Option<String>,
        attempts: Option<i64>,
    ) -> Result<(), Inadmissible> {
        let step = Step::of(&event, at_ms, trace_id, attempts);
        let id = step.reservation_id;
        match self.changes.get_mut(&id) {
            Some(changes) => changes.tell(event)?,
            None => {
                let mut changes = Changes::default();
                changes.tell(event)?;
                self.changes.insert(id, changes);
            }
        }
        self.steps.push(step);
        Ok(())
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

//! Shows what happened to a reservation, to whoever may see the reservation.

use std::sync::Arc;

use identity::Caller;
use rights::{ReadError, Reading};

use super::ports::View;
use crate::domain::Timeline;

pub struct ShowTimeline {
    view: Arc<dyn View>,
    reading: Reading<dyn View>,
}

impl ShowTimeline {
    pub fn new(view: Arc<dyn View>) -> Self {
        Self { reading: Reading::of_owners(view.clone()), view }
    }

    /// `None`: nothing is known of the reservation (yet).
    ///
    /// # Errors
    /// The reservation belongs to another user; the database's.
    pub async fn execute(&self, caller: &Caller, id: i64) -> Result<Option<Timeline>, ReadError> {
        // The steps first: what commits in between may make the outcome newer than they are, never older.
        let steps = self.view.steps(id).await?;
        let found = self.reading.item(caller, id).await?;
        Ok(found.map(|found| Timeline::of(&found, steps)))
    }
}

//! Records that the event log refuses. They wait in the outbox, delay no other key, and are offered again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use resilience::Backoff;
use tokio::time::Instant;

use crate::log::{Record, Refusal, RefusalScope};
use crate::outbox::{Outbox, Pending};

/// An operator may correct the log's limits at any time. Then the relay continues without a restart.
const FIRST_OFFER_AFTER: Duration = Duration::from_secs(1);
const OFFERED_AT_LEAST_EVERY: Duration = Duration::from_secs(30);
/// Each refused record costs a request, so the relay offers them in portions.
const PORTION: usize = 128;

/// Records of one key keep their order within their topic.
type Place = (String, String);

/// What the held records wait behind. Known after [`Held::load`]; only the relay that holds the lease changes it.
pub(super) struct Held {
    loaded: bool,
    rows: u64,
    /// The number of held records of each key.
    places: HashMap<Place, u64>,
    /// Topics that the log refuses altogether.
    topics: HashSet<String>,
    round: Option<Round>,
    due: Instant,
    backoff: Backoff,
}

/// One pass over all held records, oldest first.
#[derive(Default)]
struct Round {
    after: i64,
    /// Refused in this round. Later records of the same key and topic must not overtake it.
    places: HashSet<Place>,
    topics: HashSet<String>,
    /// A portion is being published.
    offered: bool,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            loaded: false,
            rows: 0,
            places: HashMap::new(),
            topics: HashSet::new(),
            round: None,
            due: Instant::now(),
            backoff: Backoff::new(FIRST_OFFER_AFTER, OFFERED_AT_LEAST_EVERY),
        }
    }
}

impl Held {
    pub(super) fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Counts the held records at the start, and after each round in case somebody deleted rows by hand.
    pub(super) async fn load(&mut self, outbox: &Outbox) -> Result<(), sqlx::Error> {
        let found = outbox.held_places().await?;
        self.loaded = true;
        self.rows = 0;
        self.places.clear();
        for (topic, key, rows) in found {
            self.rows += rows;
            if let Some(key) = key {
                self.places.insert((topic, key), rows);
            }
        }
        Ok(())
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn blocks(&self, record: &Record) -> bool {
        // Usually empty: no copy of the names for the question.
        self.topics.contains(&record.topic)
            || !self.places.is_empty() && place(record).is_some_and(|place| self.places.contains_key(&place))
    }

    pub(super) fn add(&mut self, record: &Record) {
        if self.rows == 0 {
            self.due = Instant::now() + self.backoff.next_pause();
        }
        self.rows += 1;
        if let Some(place) = place(record) {
            *self.places.entry(place).or_default() += 1;
        }
    }

    /// The log has refused a record.
    pub(super) fn refused(&mut self, record: &Record, refusal: &Refusal) {
        if refusal.scope == RefusalScope::Topic {
            self.topics.insert(record.topic.clone());
        }
        if let Some(round) = &mut self.round {
            round.places.extend(place(record));
            if refusal.scope == RefusalScope::Topic {
                round.topics.insert(record.topic.clone());
            }
        }
    }

    /// The log has taken a held record.
    pub(super) fn published(&mut self, record: &Record) {
        self.backoff.succeeded();
        self.topics.remove(&record.topic);
        self.rows = self.rows.saturating_sub(1);
        if let Some(place) = place(record)
            && let Some(rows) = self.places.get_mut(&place)
        {
            *rows = rows.saturating_sub(1);
            if *rows == 0 {
                self.places.remove(&place);
            }
        }
    }

    pub(super) fn is_offered(&self) -> bool {
        self.round.as_ref().is_some_and(|round| round.offered)
    }

    /// The next records to offer, or `None` if it is too early.
    pub(super) async fn portion(
        &mut self,
        outbox: &Outbox,
        published: &[i64],
    ) -> Result<Option<Vec<Pending>>, sqlx::Error> {
        if self.rows == 0 || self.is_offered() || self.round.is_none() && Instant::now() < self.due {
            return Ok(None);
        }
        let round = self.round.get_or_insert_default();
        loop {
            let found = outbox.held_after(round.after, PORTION, published).await?;
            let Some(last) = found.last() else {
                self.end_round();
                return Ok(None);
            };
            round.after = last.id;
            let free: Vec<Pending> =
                found.into_iter().filter(|pending| round.is_free(&pending.record)).collect();
            if !free.is_empty() {
                round.offered = true;
                return Ok(Some(free));
            }
        }
    }

    /// The call for the portion has ended. `away`: the log did not answer, so this round has no result.
    pub(super) fn came_back(&mut self, away: bool) {
        if away {
            self.end_round();
        } else if let Some(round) = &mut self.round {
            round.offered = false;
        }
    }

    fn end_round(&mut self) {
        self.round = None;
        self.loaded = false;
        self.due = Instant::now() + self.backoff.next_pause();
    }
}

impl Round {
    fn is_free(&self, record: &Record) -> bool {
        !self.topics.contains(&record.topic)
            && !place(record).is_some_and(|place| self.places.contains(&place))
    }
}

fn place(record: &Record) -> Option<Place> {
    Some((record.topic.clone(), record.key.clone()?))
}

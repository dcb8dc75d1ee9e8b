//! Below which id nothing is to be looked for any more.
//!
//! Rows that are gone stay in PostgreSQL's index for as long as somebody reads an older snapshot, and a search that begins
//! at the first id passes them all, each time. A cursor would skip a transaction that took an early id and commits late.
//! So the floor rises only over ids of which it is known that no transaction holds them: whoever inserts has locked the
//! table before the sequence gave it an id, and keeps the lock to its end. When all that held such a lock after an id was given have
//! ended, that id and those before it are committed, and seen by the next search, or will never be.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::Outbox;

const EVERY: Duration = Duration::from_secs(1);
/// Everything is searched as often all the same: rows that somebody brings back by hand have old ids.
const FROM_THE_START_EVERY: Duration = Duration::from_secs(60);

pub(super) struct Floor {
    id: i64,
    rising: Option<Rising>,
    /// Something was found since the last rise began, so that there is reason for the next.
    moved: bool,
    every: Duration,
    looked_at: Option<Instant>,
    from_the_start_at: Instant,
}

/// Ids up to `last` were given when `inserting` were under way.
struct Rising {
    last: i64,
    inserting: HashSet<String>,
    /// All of them have ended.
    settled: bool,
}

impl Default for Floor {
    fn default() -> Self {
        Self {
            id: 0,
            rising: None,
            moved: true,
            every: EVERY,
            looked_at: None,
            from_the_start_at: Instant::now(),
        }
    }
}

impl Floor {
    #[cfg(test)]
    fn eager() -> Self {
        Self { every: Duration::ZERO, ..Self::default() }
    }

    /// The first id to search from, now.
    pub(super) fn id(&mut self) -> i64 {
        if self.from_the_start_at.elapsed() >= FROM_THE_START_EVERY {
            *self = Self { every: self.every, ..Self::default() };
        }
        self.id
    }

    /// Looks, once in a while, who inserts. Before the search whose result goes to [`Floor::searched`].
    pub(super) async fn look(&mut self, outbox: &Outbox) -> Result<(), sqlx::Error> {
        if self.looked_at.is_some_and(|at| at.elapsed() < self.every) {
            return Ok(());
        }
        self.looked_at = Some(Instant::now());
        match &mut self.rising {
            Some(rising) => {
                let still = outbox.inserting().await?;
                rising.inserting.retain(|transaction| still.contains(transaction));
                rising.settled = rising.inserting.is_empty();
            }
            None if !self.moved => {}
            None => {
                // In this order: who has an id by now, inserts by now.
                let Some(last) = outbox.last_id().await? else { return Ok(()) };
                let inserting = outbox.inserting().await?;
                self.moved = false;
                self.rising = Some(Rising { last, settled: inserting.is_empty(), inserting });
            }
        }
        Ok(())
    }

    /// A search of all topics from the floor on has found `first` as the oldest record.
    pub(super) fn searched(&mut self, first: Option<i64>) {
        self.moved |= first.is_some();
        if let Some(rising) = self.rising.take_if(|rising| rising.settled) {
            self.id = self.id.max(first.map_or(rising.last + 1, |first| first.min(rising.last + 1)));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use storage::Database;
    use testkit::{Backend, SOON, TestDatabase, eventually};

    use super::*;
    use crate::log::Record;

    fn record() -> Record {
        Record {
            topic: "facts".to_owned(),
            key: None,
            payload: Vec::new(),
            headers: Vec::new(),
            timestamp_ms: 0,
        }
    }

    async fn rig(db: &TestDatabase) -> (Database, Outbox) {
        let database = db.open(&[crate::MIGRATIONS]).await;
        (database.clone(), Outbox::new(database))
    }

    async fn commit(outbox: &Outbox, count: usize) {
        let mut tx = outbox.database().begin().await.unwrap();
        outbox.append(&mut tx, &vec![record(); count]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What a relay does in each turn: the ids that it finds go.
    async fn turn(floor: &mut Floor, outbox: &Outbox) -> Vec<i64> {
        floor.look(outbox).await.unwrap();
        let from = floor.id();
        let found: Vec<i64> =
            outbox.oldest(512, from, &[], &[]).await.unwrap().into_iter().map(|pending| pending.id).collect();
        floor.searched(found.first().copied());
        outbox.remove(&found).await.unwrap();
        found
    }

    async fn turns(floor: &mut Floor, outbox: &Outbox) -> Vec<i64> {
        let mut found = Vec::new();
        for _ in 0..8 {
            found.extend(turn(floor, outbox).await);
        }
        found
    }

    testkit::for_each_backend! {
        async fn it_rises_over_what_is_gone_and_stays_below_what_waits(db: TestDatabase) {
            let (_database, outbox) = rig(&db).await;
            let mut floor = Floor::eager();
            commit(&outbox, 100).await;
            assert_eq!(turns(&mut floor, &outbox).await.len(), 100);
            assert_eq!(floor.id(), 101);

            commit(&outbox, 3).await;
            for _ in 0..8 {
                floor.look(&outbox).await.unwrap();
                let from = floor.id();
                let waits = outbox.oldest(512, from, &[], &[]).await.unwrap();
                assert_eq!(waits.len(), 3);
                floor.searched(waits.first().map(|pending| pending.id));
            }
            assert_eq!(floor.id(), 101, "what waits is searched for");
            assert_eq!(turns(&mut floor, &outbox).await, [101, 102, 103]);
            assert_eq!(floor.id(), 104);
        }
    }

    #[test]
    fn on_postgres_it_stays_below_a_transaction_that_took_an_early_id_and_commits_late() {
        testkit::run(Backend::Postgres, async |db: TestDatabase| {
            let (_database, outbox) = rig(&db).await;
            let mut floor = Floor::eager();
            let mut early = outbox.database().begin().await.unwrap();
            outbox.append(&mut early, &[record()]).await.unwrap();
            commit(&outbox, 10).await;
            assert_eq!(turns(&mut floor, &outbox).await.len(), 10);
            assert!(floor.id() <= 1, "{} is above the early one", floor.id());
            early.commit().await.unwrap();
            assert_eq!(turns(&mut floor, &outbox).await, [1]);
            assert_eq!(floor.id(), 12);

            let mut early = outbox.database().begin().await.unwrap();
            outbox.append(&mut early, &[record()]).await.unwrap();
            commit(&outbox, 10).await;
            assert_eq!(turns(&mut floor, &outbox).await.len(), 10);
            drop(early);
            eventually("what is rolled back holds nothing up", SOON, async || {
                turn(&mut floor, &outbox).await;
                floor.id() == 23
            })
            .await;
        });
    }

    #[test]
    fn on_postgres_it_rises_while_somebody_reads_an_old_snapshot() {
        testkit::run(Backend::Postgres, async |db: TestDatabase| {
            let (database, outbox) = rig(&db).await;
            let mut reader = database.begin().await.unwrap();
            for statement in
                ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT COUNT(*) FROM outbox"]
            {
                sqlx::query(statement).execute(&mut *reader).await.unwrap();
            }
            let mut floor = Floor::eager();
            for _ in 0..20 {
                commit(&outbox, 64).await;
                assert_eq!(turn(&mut floor, &outbox).await.len(), 64);
            }
            turns(&mut floor, &outbox).await;
            assert_eq!(floor.id(), 20 * 64 + 1);
            drop(reader);
        });
    }
}

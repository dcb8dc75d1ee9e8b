//! Whatever the order, whatever is repeated, however it is cut into batches: the same facts make the same rows.
//! Once through the pure domain, once through the SQL.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use ::events::Envelope;
use myreservation::domain::{Batch, Changes, MyReservation, Step};
use myreservation::inbound::events;
use myreservation::use_cases::ports::View;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use storage::Readable as _;
use support::Store;
use support::facts::{received, whole_story};
use testkit::TestDatabase;

/// A part of the stories of some reservations, told in any order, some of it twice and thrice.
#[derive(Clone, Debug)]
struct Telling {
    /// Numbered from 0 within the case.
    facts: Vec<(i64, usize)>,
    /// Where one transaction ends and the next begins.
    cuts: Vec<Index>,
}

const RESERVATIONS: i64 = 4;
const FACTS: usize = 6;

fn telling() -> impl Strategy<Value = Telling> {
    let all: Vec<(i64, usize)> =
        (0..RESERVATIONS).flat_map(|id| (0..FACTS).map(move |fact| (id, fact))).collect();
    let size = 1..=all.len();
    (
        subsequence(all, size),
        prop::collection::vec(any::<Index>(), 0..8),
        prop::collection::vec(any::<Index>(), 0..5),
    )
        .prop_flat_map(|(told, repeated, cuts)| {
            let mut facts = told.clone();
            facts.extend(repeated.iter().map(|index| *index.get(&told)));
            (Just(facts).prop_shuffle(), Just(cuts))
        })
        .prop_map(|(facts, cuts)| Telling { facts, cuts })
}

impl Telling {
    /// The facts, of reservations from `first` on.
    fn events(&self, first: i64) -> Vec<Envelope> {
        self.facts.iter().map(|(id, fact)| whole_story(first + id).swap_remove(*fact)).collect()
    }

    fn batches<'a>(&self, events: &'a [Envelope]) -> Vec<&'a [Envelope]> {
        let mut cuts: Vec<usize> = self.cuts.iter().map(|cut| cut.index(events.len() + 1)).collect();
        cuts.extend([0, events.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| &events[cut[0]..cut[1]]).collect()
    }

    /// What these facts make, told once and in the order of the story.
    fn expected(&self, first: i64) -> BTreeMap<i64, MyReservation> {
        let mut told = self.facts.clone();
        told.sort_unstable();
        told.dedup();
        let mut changes: BTreeMap<i64, Changes> = BTreeMap::new();
        for (id, fact) in told {
            let (telling, _) = read(&whole_story(first + id).swap_remove(fact));
            changes.entry(first + id).or_default().tell(telling);
        }
        changes.into_iter().map(|(id, changes)| (id, MyReservation::of(id, changes).unwrap())).collect()
    }
}

fn read(fact: &Envelope) -> (myreservation::domain::Telling, i64) {
    events::telling(&fact.arrived()).unwrap().unwrap()
}

fn fold(events: &[Envelope]) -> Batch {
    let mut batch = Batch::default();
    for fact in events {
        let (telling, at_ms) = read(fact);
        batch.add(Step::of(&telling, at_ms, None, None), telling);
    }
    batch
}

proptest! {
    #[test]
    fn through_the_domain(telling in telling()) {
        let folded: BTreeMap<i64, MyReservation> = fold(&telling.events(1))
            .changes
            .into_iter()
            .map(|(id, changes)| (id, MyReservation::of(id, changes).unwrap()))
            .collect();
        prop_assert_eq!(folded, telling.expected(1));
    }
}

#[test]
fn through_the_sql() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let place = TestDatabase::sqlite();
    let store = runtime.block_on(Store::open(&place));
    // Each case has reservations of its own in the one database.
    let first = AtomicI64::new(1);
    proptest!(ProptestConfig::with_cases(256), |(telling in telling())| {
        let first = first.fetch_add(RESERVATIONS, Ordering::Relaxed);
        let events = telling.events(first);
        runtime.block_on(async {
            for batch in telling.batches(&events) {
                store.apply(&received(batch)).await;
            }
            for (id, expected) in telling.expected(first) {
                let found = store.view.item(id).await.unwrap();
                prop_assert_eq!(found.as_ref(), Some(&expected));
                let mut facts: Vec<_> = events.iter().filter(|fact| fact.key == id.to_string()).collect();
                facts.sort_by_key(|fact| (fact.fact_type, fact.version));
                facts.dedup();
                prop_assert_eq!(store.view.steps(id).await.unwrap().len(), facts.len());
            }
            Ok(())
        })?;
    });
    runtime.block_on(counters_are_right(&store));
}

/// The counters that were moved by differences say what counting says.
async fn counters_are_right(store: &Store) {
    let counted: Vec<(String, i64)> =
        sqlx::query_as("SELECT outcome, COUNT(*) FROM my_reservation GROUP BY outcome")
            .fetch_all(store.database.reader())
            .await
            .unwrap();
    let sagas = store.view.sagas(0).await.unwrap();
    assert!(counted.len() > 2, "{counted:?}");
    for (outcome, n) in &counted {
        let outcome = myreservation::domain::Outcome::parse(outcome).unwrap();
        assert_eq!(sagas.by_outcome.get(&outcome), Some(n), "{outcome:?}");
    }
    let query = storage::ListQuery { limit: 1, ..Default::default() };
    let (_, total) = store.view.list(&query).await.unwrap();
    assert_eq!(total, counted.iter().map(|(_, n)| n).sum::<i64>());
    store.assert_ranges_are_counted().await;
}

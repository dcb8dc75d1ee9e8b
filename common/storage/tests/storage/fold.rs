use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

use async_trait::async_trait;
use storage::{Changed, FoldError, Folded, StoreError, Tx, fold};
use testkit::TestDatabase;

use crate::TABLES;

/// Sums by key. The transaction is only handed on.
#[derive(Default)]
struct Sums {
    stored: Mutex<BTreeMap<i64, i64>>,
    /// Another writer is faster so many times: it adds a hundred.
    overtaken: Mutex<BTreeMap<i64, u32>>,
    saved: Mutex<Vec<Changed<i64, String>>>,
    loads: Mutex<Vec<Vec<i64>>>,
}

#[async_trait]
impl Folded for Sums {
    type State = i64;
    type Fact = String;

    async fn load(&self, _: &mut Tx, keys: &[i64]) -> Result<Vec<(i64, i64)>, StoreError> {
        self.loads.lock().unwrap().push(keys.to_vec());
        let stored = self.stored.lock().unwrap();
        Ok(keys.iter().filter_map(|key| Some((*key, *stored.get(key)?))).collect())
    }

    async fn save(&self, _: &mut Tx, changes: Vec<Changed<i64, String>>) -> Result<HashSet<i64>, StoreError> {
        let mut stored = self.stored.lock().unwrap();
        let mut late = HashSet::new();
        for change in changes {
            let mut overtaken = self.overtaken.lock().unwrap();
            match overtaken.get_mut(&change.key).filter(|times| **times > 0) {
                Some(times) => {
                    *times -= 1;
                    *stored.entry(change.key).or_default() += 100;
                    late.insert(change.key);
                }
                None => {
                    stored.insert(change.key, change.after);
                    self.saved.lock().unwrap().push(change);
                }
            }
        }
        Ok(late)
    }
}

/// Adds; what is more than ten thousand already stays.
fn add(sum: &mut Option<i64>, (_, n): &(i64, i64)) -> Option<String> {
    let before = sum.unwrap_or_default();
    if before > 10_000 || *n == 0 {
        return None;
    }
    *sum = Some(before + n);
    Some(format!("{before}+{n}"))
}

async fn run(db: &TestDatabase, sums: &Sums, batch: &[(i64, i64)]) -> Result<(), FoldError> {
    let mut tx = db.open(&[TABLES]).await.begin().await.unwrap();
    let folded = fold(&mut tx, sums, batch, |(key, _)| *key, add).await;
    tx.rollback().await.unwrap();
    folded
}

testkit::for_each_backend! {
    async fn messages_about_one_thing_are_one_change_in_their_order(db: TestDatabase) {
        let sums = Sums::default();
        sums.stored.lock().unwrap().extend([(1, 10), (3, 20_000)]);
        run(&db, &sums, &[(2, 5), (1, 1), (3, 1), (1, 2), (4, 0)]).await.unwrap();
        assert_eq!(*sums.loads.lock().unwrap(), [vec![1, 2, 3, 4]], "one statement for all");
        let facts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        assert_eq!(
            *sums.saved.lock().unwrap(),
            [
                Changed { key: 1, before: Some(10), after: 13, facts: facts(&["10+1", "11+2"]) },
                Changed { key: 2, before: None, after: 5, facts: facts(&["0+5"]) },
            ],
            "what has not changed is not saved"
        );
    }

    async fn what_another_transaction_changed_is_applied_anew_and_nothing_else(db: TestDatabase) {
        let sums = Sums::default();
        sums.overtaken.lock().unwrap().insert(1, 2);
        run(&db, &sums, &[(1, 1), (2, 1), (1, 2)]).await.unwrap();
        assert_eq!(*sums.stored.lock().unwrap(), BTreeMap::from([(1, 203), (2, 1)]));
        assert_eq!(*sums.loads.lock().unwrap(), [vec![1, 2], vec![1], vec![1]]);
    }

    async fn who_is_overtaken_for_ever_is_named(db: TestDatabase) {
        let sums = Sums::default();
        sums.overtaken.lock().unwrap().insert(1, u32::MAX);
        // It must be able to change each time.
        let unsettled = run(&db, &sums, &[(2, 1), (1, -100), (1, -1)]).await.unwrap_err();
        assert!(matches!(&unsettled, FoldError::Unsettled(places) if *places == [1, 2]), "{unsettled}");
    }

    async fn nothing_to_do_costs_nothing(db: TestDatabase) {
        let sums = Sums::default();
        run(&db, &sums, &[]).await.unwrap();
        assert!(sums.loads.lock().unwrap().is_empty());
    }
}

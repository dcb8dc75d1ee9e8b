use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use storage::{Database, GroupCommit, StoreError, Transact};
use testkit::TestDatabase;
use tokio::sync::Semaphore;

use crate::TABLES;

/// Adds to the tally and says what it is then.
struct Additions {
    database: Database,
    /// A permit a transaction.
    gate: Arc<Semaphore>,
    sizes: Arc<Mutex<Vec<usize>>>,
    panics: AtomicBool,
}

/// Nothing of a transaction may be left that has one of these.
const REFUSED: i64 = -1;

impl Transact for Additions {
    type Request = i64;
    type Answer = i64;

    async fn transact(&self, additions: &[i64]) -> Result<Vec<i64>, StoreError> {
        self.gate.acquire().await.unwrap().forget();
        assert!(!self.panics.swap(false, Ordering::Relaxed), "a defect");
        self.sizes.lock().unwrap().push(additions.len());
        let mut tx = self.database.begin().await?;
        let mut tally = Vec::new();
        for addition in additions {
            tally.push(
                sqlx::query_scalar("UPDATE tally SET n = n + $1 WHERE id = 1 RETURNING n")
                    .bind(*addition)
                    .fetch_one(&mut *tx)
                    .await?,
            );
            if *addition == REFUSED {
                sqlx::query("INSERT INTO tally (id, n) VALUES (1, 0)").execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        Ok(tally)
    }
}

struct Rig {
    database: Database,
    additions: GroupCommit<Additions>,
    gate: Arc<Semaphore>,
    sizes: Arc<Mutex<Vec<usize>>>,
}

impl Rig {
    async fn on(db: &TestDatabase, panics: bool) -> Self {
        let database = db.open(&[TABLES]).await;
        let (gate, sizes) = (Arc::new(Semaphore::new(0)), Arc::default());
        let additions = Additions {
            database: database.clone(),
            gate: Arc::clone(&gate),
            sizes: Arc::clone(&sizes),
            panics: AtomicBool::new(panics),
        };
        let additions = GroupCommit::new(additions, &database);
        Self { database, additions, gate, sizes }
    }

    /// All at once, while the first transaction is held up until they all wait.
    async fn at_once(&self, requests: &[i64]) -> Vec<Result<i64, StoreError>> {
        let asked = Arc::new(AtomicUsize::new(0));
        let submissions = requests.iter().map(|request| {
            let (additions, asked) = (self.additions.clone(), Arc::clone(&asked));
            async move {
                // Counted before the first wait, and all are polled before any is polled again.
                asked.fetch_add(1, Ordering::Relaxed);
                additions.submit(*request).await
            }
        });
        let open = async {
            testkit::until("all ask", testkit::SOON, async || {
                (asked.load(Ordering::Relaxed) == requests.len()).then_some(())
            })
            .await;
            self.gate.add_permits(1_000);
        };
        tokio::join!(join_all(submissions), open).0
    }

    fn sizes(&self) -> Vec<usize> {
        self.sizes.lock().unwrap().clone()
    }

    async fn tally(&self) -> i64 {
        sqlx::query_scalar("SELECT n FROM tally WHERE id = 1")
            .fetch_one(self.database.reader())
            .await
            .unwrap()
    }
}

testkit::for_each_backend! {
    async fn who_asks_while_a_transaction_is_under_way_shares_the_next_one(db: TestDatabase) {
        let rig = Rig::on(&db, false).await;
        let answers = rig.at_once(&[1; 200]).await;
        let answers: Vec<i64> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (1..=200).collect::<Vec<_>>(), "each has the answer to its own request");
        let sizes = rig.sizes();
        assert_eq!(sizes.iter().sum::<usize>(), 200);
        assert!(sizes.len() <= 6 && sizes.iter().all(|size| *size <= 64), "{sizes:?}");
        assert_eq!(rig.tally().await, 200);
    }

    async fn nobody_waits_for_company(db: TestDatabase) {
        let rig = Rig::on(&db, false).await;
        rig.gate.add_permits(3);
        for n in 1..=3 {
            assert_eq!(rig.additions.submit(1).await.unwrap(), n);
        }
        assert_eq!(rig.sizes(), [1, 1, 1]);
    }

    async fn a_request_that_is_refused_fails_alone(db: TestDatabase) {
        let rig = Rig::on(&db, false).await;
        let mut answers = rig.at_once(&[1, 1, REFUSED, 1]).await;
        assert!(answers.remove(2).is_err());
        assert!(answers.into_iter().all(|answer| answer.is_ok()));
        assert_eq!(rig.tally().await, 3);
    }

    async fn a_request_whose_client_has_gone_is_done_all_the_same(db: TestDatabase) {
        let rig = Rig::on(&db, false).await;
        let mut submission = Box::pin(rig.additions.submit(5));
        assert!(futures::poll!(&mut submission).is_pending());
        drop(submission);
        rig.gate.add_permits(1);
        testkit::until("it is done", testkit::SOON, async || (rig.tally().await == 5).then_some(())).await;
    }

    async fn a_transaction_that_panics_leaves_nobody_waiting_and_the_next_one_works(db: TestDatabase) {
        let rig = Rig::on(&db, true).await;
        let answers = rig.at_once(&[1, 1]).await;
        assert!(answers.iter().any(|answer| answer.as_ref().is_err_and(StoreError::is_unavailable)));
        assert!(rig.additions.submit(1).await.is_ok());
    }

    async fn a_database_that_is_away_is_an_error_for_all(db: TestDatabase) {
        let rig = Rig::on(&db, false).await;
        rig.database.close().await;
        let answers = rig.at_once(&[1, 1, 1]).await;
        assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(StoreError::is_unavailable)));
    }
}

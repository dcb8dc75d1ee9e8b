use std::time::{Duration, Instant};

use storage::{Database, Lease};
use testkit::{SOON, TestDatabase, eventually};

use crate::TABLES;

/// Short, so that silence does not take long; long enough for a busy machine to renew in time.
const TTL: Duration = Duration::from_millis(600);

async fn holder(database: &Database) -> String {
    sqlx::query_scalar("SELECT holder FROM lease").fetch_one(database.reader()).await.unwrap()
}

testkit::for_each_backend! {
    async fn of_many_who_ask_at_once_one_gets_it(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        for round in 0..20 {
            if round >= 10 {
                // Not a new one, but one that was given back.
                let mut former = Lease::new(database.clone(), format!("round {round}"), TTL);
                assert!(former.hold().await.unwrap());
                former.release().await.unwrap();
            }
            let asking = (0..8).map(|_| {
                let mut lease = Lease::new(database.clone(), format!("round {round}"), TTL);
                tokio::spawn(async move { lease.hold().await.unwrap() })
            });
            let asking: Vec<_> = asking.collect();
            let mut holders = 0;
            for asked in asking {
                holders += usize::from(asked.await.unwrap());
            }
            assert_eq!(holders, 1);
        }
    }

    async fn who_renews_keeps_it(db: TestDatabase) {
        let (one, two) = (db.open(&[TABLES]).await, db.open(&[]).await);
        let mut mine = Lease::new(one, "duty", TTL);
        let mut theirs = Lease::new(two, "duty", TTL);
        assert!(mine.hold().await.unwrap());
        let start = Instant::now();
        while start.elapsed() < 3 * TTL {
            assert!(mine.hold().await.unwrap());
            assert!(mine.is_held());
            assert!(!theirs.hold().await.unwrap());
            assert!(!theirs.is_held());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn silence_ends_it_after_the_time_to_live_and_not_before(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        let mut silent = Lease::new(database.clone(), "duty", TTL);
        assert!(silent.hold().await.unwrap());

        let mut next = Lease::new(database.clone(), "duty", TTL);
        let first_seen = Instant::now();
        assert!(!next.hold().await.unwrap());
        eventually("a contender takes over", SOON, async || {
            // Asked before: the holder must have doubted itself by the time that somebody else has it.
            let still_sure = silent.is_held();
            let taken = next.hold().await.unwrap();
            assert!(!(still_sure && taken), "two at a time");
            taken
        })
        .await;
        assert!(first_seen.elapsed() >= TTL, "taken over too early");
        assert!(next.is_held());
    }

    async fn one_of_several_contenders_takes_over(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        let mut silent = Lease::new(database.clone(), "duty", TTL);
        assert!(silent.hold().await.unwrap());
        let mut contenders: Vec<_> =
            (0..4).map(|_| Lease::new(database.clone(), "duty", TTL)).collect();
        let mut holders = 0;
        eventually("somebody takes over", SOON, async || {
            for contender in &mut contenders {
                holders += usize::from(contender.hold().await.unwrap());
            }
            holders > 0
        })
        .await;
        assert_eq!(holders, 1);
    }

    async fn a_stalled_holder_notices_and_takes_nothing_back(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        let mut stalled = Lease::new(database.clone(), "duty", TTL);
        let mut next = Lease::new(database.clone(), "duty", TTL);
        assert!(stalled.hold().await.unwrap());
        eventually("taken over", SOON, async || next.hold().await.unwrap()).await;
        let owner = holder(&database).await;

        assert!(!stalled.is_held());
        assert!(!stalled.hold().await.unwrap());
        stalled.release().await.unwrap();
        assert_eq!(holder(&database).await, owner, "released what was somebody else's");
    }

    async fn what_is_released_is_free_at_once(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        let mut one = Lease::new(database.clone(), "duty", Duration::from_secs(3600));
        let mut two = Lease::new(database.clone(), "duty", Duration::from_secs(3600));
        assert!(one.hold().await.unwrap());
        assert!(!two.hold().await.unwrap());
        one.release().await.unwrap();
        assert!(!one.is_held());
        assert!(two.hold().await.unwrap());
        assert!(!one.hold().await.unwrap());
    }

    /// Dropped after the row was written and before we heard of it, for instance.
    async fn who_was_interrupted_while_asking_is_not_locked_out(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        for micros in (0..4000).step_by(100) {
            let name = format!("interrupted after {micros}");
            let mut lease = Lease::new(database.clone(), name, Duration::from_secs(3600));
            let _ = tokio::time::timeout(Duration::from_micros(micros), lease.hold()).await;
            eventually("ours", SOON, async || lease.hold().await.unwrap()).await;
            lease.release().await.unwrap();
        }
        let held: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM lease WHERE holder <> ''")
            .fetch_one(database.reader())
            .await
            .unwrap();
        assert_eq!(held, 0);
    }

    async fn duties_know_nothing_of_each_other(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        let mut one = Lease::new(database.clone(), "relay", TTL);
        let mut two = Lease::new(database.clone(), "sweeper", TTL);
        assert!(one.hold().await.unwrap());
        assert!(two.hold().await.unwrap());
    }
}

//! Whatever the log says, and whoever else wants the partition: the position in the database decides.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use testkit::{SOON, TestDatabase, eventually};

use crate::handler::Fault;
use crate::rig::{Rig, Running, texts};
use crate::scripted_log::{Line, ScriptedLog, assigned, records, revoked};

fn consume(rig: &Rig, log: &Arc<ScriptedLog>) -> (Running, messaging::ConsumerStatus) {
    rig.consume_from(log.clone(), rig.outbox.clone())
}

async fn through(log: &ScriptedLog) {
    eventually("the script is through", SOON, async || log.is_through()).await;
}

async fn steal(rig: &Rig) {
    sqlx::query("UPDATE inbox_position SET owner = 'somebody else'")
        .execute(rig.database.writer().await.unwrap())
        .await
        .unwrap();
}

async fn owners(rig: &Rig) -> Vec<String> {
    sqlx::query_scalar("SELECT owner FROM effect ORDER BY id").fetch_all(rig.database.reader()).await.unwrap()
}

testkit::for_each_backend! {
    async fn what_comes_again_changes_nothing(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let log = ScriptedLog::saying([
            assigned(),
            records(0..3),
            records(1..4),
            records(0..4),
            records(3..6),
        ]);
        let (consumer, _) = consume(&rig, &log);
        assert_eq!(rig.effects_come(6).await, texts(0..6));
        through(&log).await;
        consumer.stop().await;
        assert_eq!(rig.effects().await, texts(0..6));
        assert_eq!(rig.next_offset().await, 6);
        assert_eq!(log.commits.lock().unwrap().last(), Some(&(0, 6)));
    }

    async fn nobody_waits_for_a_log_that_does_not_say_how_far_behind_we_are(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let log = ScriptedLog::saying([assigned(), records(0..3)]);
        let (consumer, _) = consume(&rig, &log);
        eventually("it is asked", SOON, async || log.asked_for_lag.load(Ordering::Relaxed) > 0).await;
        log.say([records(3..6)]);
        assert_eq!(rig.effects_come(6).await, texts(0..6));
        consumer.stop().await;
    }

    async fn what_is_not_ours_is_not_applied(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let log = ScriptedLog::saying([
            records([0]),
            assigned(),
            records([0]),
            revoked(),
            records([1]),
            assigned(),
            records([1]),
        ]);
        let (consumer, _) = consume(&rig, &log);
        assert_eq!(rig.effects_come(2).await, texts([0, 1]));
        through(&log).await;
        consumer.stop().await;
        assert_eq!(rig.effects().await, texts([0, 1]));
        assert_eq!(log.seeks(), [(0, 0), (0, 1)], "read on from where the database says");
    }

    async fn a_gap_is_looked_at_and_asked_about_once_and_then_believed(db: TestDatabase) {
        let rig = Rig::new(db).await;
        // Transaction markers take offsets away.
        let log = ScriptedLog::saying([assigned(), records([5, 6]), records([5, 6]), records([7])]);
        let (consumer, status) = consume(&rig, &log);
        assert_eq!(rig.effects_come(3).await, texts([5, 6, 7]));
        assert_eq!(status.stopped(), None);
        consumer.stop().await;
        assert_eq!(log.seeks(), [(0, 0), (0, 0)]);
    }
    /// No transaction for them; the position follows.
    async fn what_is_no_concern_is_passed_and_the_position_stored_later(db: TestDatabase) {
        let rig = Rig::new(db).await;
        for foreign in [1, 2, 4, 5] {
            rig.handler.set(foreign, Fault::Foreign);
        }
        let log = ScriptedLog::saying([
            assigned(),
            records([0]),
            records([1, 2]),
            records([3, 4]),
            records([5]),
        ]);
        let (consumer, _) = consume(&rig, &log);
        assert_eq!(rig.effects_come(2).await, texts([0, 3]));
        through(&log).await;
        assert_eq!(rig.handler.tries(1) + rig.handler.tries(5), 0);
        eventually("the position is stored", SOON, async || rig.next_offset().await == 6).await;
        consumer.stop().await;
        assert_eq!(log.commits.lock().unwrap().last(), Some(&(0, 6)));
    }

    async fn a_consumer_that_stops_stores_what_it_passed(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.handler.set(1, Fault::Foreign);
        let log = ScriptedLog::saying([assigned(), records([0]), records([1])]);
        let (consumer, _) = consume(&rig, &log);
        assert_eq!(rig.effects_come(1).await, texts([0]));
        through(&log).await;
        consumer.stop().await;
        assert_eq!(rig.next_offset().await, 2);
    }

    async fn who_lost_the_partition_while_passing_cannot_commit(db: TestDatabase) {
        let rig = Rig::new(db).await;
        rig.handler.set(1, Fault::Foreign);
        let log = ScriptedLog::saying([assigned(), records([0]), records([1])]);
        let (consumer, _) = consume(&rig, &log);
        assert_eq!(rig.effects_come(1).await, texts([0]));
        steal(&rig).await;
        through(&log).await;
        consumer.stop().await;
        assert_eq!(rig.next_offset().await, 1, "it belongs to somebody else");
    }

    /// Having asked in an earlier life of the assignment is not having asked.
    async fn a_gap_is_asked_about_after_each_assignment(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let log = ScriptedLog::saying([
            assigned(),
            records([5]),
            revoked(),
            assigned(),
            records([5]),
            records(0..6),
        ]);
        let (consumer, _) = consume(&rig, &log);
        assert_eq!(rig.effects_come(6).await, texts(0..6));
        consumer.stop().await;
    }

    async fn a_subscription_that_breaks_is_replaced(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let log = ScriptedLog::saying([
            assigned(),
            records([0]),
            Line::Breaks,
            records([1]),
            assigned(),
            records([1]),
        ]);
        let (consumer, status) = consume(&rig, &log);
        assert_eq!(rig.effects_come(2).await, texts([0, 1]));
        assert_eq!(*log.subscriptions.lock().unwrap(), 2);
        eventually("no stall", SOON, async || status.stalled().is_none()).await;
        consumer.stop().await;
    }

    /// A replica that is assigned nothing has nothing to be stalled with.
    async fn a_hiccup_of_the_log_does_not_stick_to_a_replica_without_partitions(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let log = ScriptedLog::saying([Line::Breaks]);
        let (consumer, status) = consume(&rig, &log);
        eventually("subscribed anew", SOON, async || *log.subscriptions.lock().unwrap() == 2).await;
        eventually("no stall", SOON, async || status.stalled().is_none()).await;
        consumer.stop().await;
    }

    async fn who_lost_the_partition_cannot_commit(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let log = ScriptedLog::saying([assigned(), records([0])]);
        let (consumer, _) = consume(&rig, &log);
        rig.effects_come(1).await;
        steal(&rig).await;
        log.say([records([1]), records([2]), revoked()]);
        through(&log).await;
        consumer.stop().await;
        assert_eq!(rig.effects().await, texts([0]));
        assert_eq!(rig.next_offset().await, 1);
    }

    /// Somebody whom the log had expelled already came back and claimed the row: nobody else is reading.
    async fn a_partition_that_stays_ours_is_claimed_back(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let log = ScriptedLog::saying([assigned(), records([0])]);
        let (consumer, _) = consume(&rig, &log);
        rig.effects_come(1).await;
        steal(&rig).await;
        log.say([records([1])]);
        eventually("asked again", SOON, async || log.seeks() == [(0, 0), (0, 1)]).await;
        log.say([records([1])]);
        rig.effects_come(2).await;
        consumer.stop().await;
        let owners = owners(&rig).await;
        assert_eq!(owners[0], owners[1], "applied under somebody else's name");
    }

    /// The answer to a commit was lost, and the commit was not.
    async fn a_commit_of_which_nobody_heard_is_found_out(db: TestDatabase) {
        let mut rig = Rig::new(db).await;
        rig.settings.longest_backoff_ms = 400;
        rig.handler.set(1, Fault::Away);
        let log = ScriptedLog::saying([assigned(), records([0]), records([1])]);
        let (consumer, status) = consume(&rig, &log);
        eventually("in doubt", SOON, async || status.stalled().is_some()).await;
        // As if the transaction that seemed to fail had been committed.
        let mut tx = rig.database.begin().await.unwrap();
        sqlx::query("UPDATE inbox_position SET next_offset = 2").execute(&mut *tx).await.unwrap();
        sqlx::query("INSERT INTO effect (log_offset, payload, owner) VALUES (1, '1', '')")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        rig.handler.heal(1);
        log.say([records([1]), records([2])]);
        assert_eq!(rig.effects_come(3).await, texts([0, 1, 2]));
        eventually("the stall is over", SOON, async || status.stalled().is_none()).await;
        consumer.stop().await;
        assert_eq!(rig.effects().await.len(), 3);
    }
}

//! A log that is not the one that was read is not read on, however long it is, until an operator begins anew.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use messaging::ConsumerStatus;
use testkit::{SOON, TestDatabase, eventually};

use crate::rig::{Rig, Running, texts};
use crate::scripted_log::{Lies, Line, ScriptedLog, assigned, records};

fn consume(rig: &Rig, log: &Arc<ScriptedLog>) -> (Running, ConsumerStatus) {
    rig.consume_from(log.clone(), rig.outbox.clone())
}

/// Reads three records of a log and stops.
async fn read_three(rig: &Rig) {
    let log = ScriptedLog::saying([assigned(), records(0..3)]);
    let (consumer, _) = consume(rig, &log);
    assert_eq!(rig.effects_come(3).await, texts(0..3));
    consumer.stop().await;
}

fn log_that(lies: Lies, lines: impl IntoIterator<Item = Line>) -> Arc<ScriptedLog> {
    let log = ScriptedLog::saying(lines);
    log.lies(lies);
    log
}

async fn stops(status: &ConsumerStatus, because: &str) {
    eventually(because, SOON, async || status.stopped().is_some_and(|why| why.contains(because))).await;
}

async fn looks(log: &ScriptedLog, more: usize) {
    let before = log.looks.load(Ordering::Relaxed);
    eventually("it is looked at again", SOON, async || log.looks.load(Ordering::Relaxed) >= before + more)
        .await;
}

testkit::for_each_backend! {
    /// Its new records have offsets that were read already: none of them may be taken for one of those.
    async fn a_log_that_lost_what_was_read_is_not_read_on(db: TestDatabase) {
        let rig = Rig::new(db).await;
        read_three(&rig).await;
        let other = log_that(Lies { end: Some(2), ..Lies::default() }, [assigned(), records(0..2)]);
        let (consumer, status) = consume(&rig, &other);
        stops(&status, "ends at 2, and was read up to 3").await;
        eventually("all was said", SOON, async || other.is_through()).await;
        assert_eq!(rig.effects().await, texts(0..3));
        // Another one has grown past the position: that is no way back.
        other.lies(Lies { replaced: true, ..Lies::default() });
        stops(&status, "is not the one that was read").await;
        // Nor is one in which what was read cannot be found.
        other.lies(Lies { compacted: true, ..Lies::default() });
        looks(&other, 2).await;
        assert!(status.stopped().is_some());
        assert!(other.seeks().is_empty());

        // Restored.
        other.lies(Lies::default());
        eventually("it reads on", SOON, async || !other.seeks().is_empty()).await;
        other.say([records([3])]);
        assert_eq!(rig.effects_come(4).await, texts(0..4));
        eventually("the stop is lifted", SOON, async || status.stopped().is_none()).await;
        consumer.stop().await;
    }

    async fn a_log_that_was_replaced_is_not_read_on_after_a_restart_either(db: TestDatabase) {
        let rig = Rig::new(db).await;
        read_three(&rig).await;
        for _ in 0..2 {
            let other = log_that(Lies { replaced: true, ..Lies::default() }, [assigned(), records([3, 4])]);
            let (consumer, status) = consume(&rig, &other);
            stops(&status, "is not the one that was read").await;
            eventually("all was said", SOON, async || other.is_through()).await;
            consumer.stop().await;
        }
        assert_eq!(rig.effects().await, texts(0..3));
        assert_eq!(rig.next_offset().await, 3);
    }

    /// The client notices nothing: the new topic is longer than what was read of the old one.
    async fn a_log_that_is_replaced_while_it_is_read_is_found_out(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let log = ScriptedLog::saying([assigned(), records(0..3)]);
        let (consumer, status) = consume(&rig, &log);
        rig.effects_come(3).await;
        log.lies(Lies { replaced: true, ..Lies::default() });
        stops(&status, "is not the one that was read").await;
        consumer.stop().await;
    }

    /// After the log was reset to its beginning, the client delivers from there.
    async fn records_from_before_the_position_have_the_log_looked_at(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let log = ScriptedLog::saying([assigned(), records(0..3)]);
        let (consumer, status) = consume(&rig, &log);
        rig.effects_come(3).await;
        log.lies(Lies { replaced: true, ..Lies::default() });
        log.say([records(0..6)]);
        stops(&status, "is not the one that was read").await;
        consumer.stop().await;
        assert_eq!(rig.effects().await, texts(0..3));
    }

    async fn what_was_deleted_before_it_was_read_stops_the_reader(db: TestDatabase) {
        let rig = Rig::new(db).await;
        read_three(&rig).await;
        let log = log_that(Lies { begin: 5, ..Lies::default() }, [assigned(), records([5])]);
        let (consumer, status) = consume(&rig, &log);
        stops(&status, "2 records were deleted before they were read").await;
        eventually("all was said", SOON, async || log.is_through()).await;
        consumer.stop().await;
        assert_eq!(rig.effects().await, texts(0..3));
    }

    /// What was read may be deleted; that it is the same log is then believed.
    async fn what_was_deleted_after_it_was_read_stops_nobody(db: TestDatabase) {
        let rig = Rig::new(db).await;
        read_three(&rig).await;
        let log = log_that(Lies { begin: 3, ..Lies::default() }, [assigned(), records([3])]);
        let (consumer, status) = consume(&rig, &log);
        assert_eq!(rig.effects_come(4).await, texts(0..4));
        assert_eq!(status.stopped(), None);
        consumer.stop().await;
    }

    /// Retention went past a reader that was too slow, and there is nothing behind what was deleted.
    async fn records_deleted_under_a_running_reader_are_missed(db: TestDatabase) {
        let rig = Rig::new(db).await;
        let log = ScriptedLog::saying([assigned(), records(0..3)]);
        let (consumer, status) = consume(&rig, &log);
        rig.effects_come(3).await;
        log.lies(Lies { begin: 7, end: Some(7), ..Lies::default() });
        stops(&status, "4 records were deleted").await;
        consumer.stop().await;
    }

    /// A database of before there were marks.
    async fn a_position_without_a_mark_is_taken_on_once(db: TestDatabase) {
        let rig = Rig::new(db).await;
        read_three(&rig).await;
        sqlx::query("UPDATE inbox_position SET mark = NULL, anchor = NULL")
            .execute(rig.database.writer().await.unwrap())
            .await
            .unwrap();
        let log = ScriptedLog::saying([assigned()]);
        let (consumer, _) = consume(&rig, &log);
        eventually("the mark is stored", SOON, async || {
            let mark: Option<String> = sqlx::query_scalar("SELECT mark FROM inbox_position")
                .fetch_one(rig.database.reader())
                .await
                .unwrap();
            mark.is_some_and(|mark| mark.starts_with("2:"))
        })
        .await;
        consumer.stop().await;
        let other = log_that(Lies { replaced: true, ..Lies::default() }, [assigned(), records([3])]);
        let (consumer, status) = consume(&rig, &other);
        stops(&status, "is not the one that was read").await;
        consumer.stop().await;
    }
}
